/* The only ways in which the tree code opens what lies in a container's tree. All descriptors are close-on-exec. */
#ifndef GANTRY_TREE_OPEN_H
#define GANTRY_TREE_OPEN_H

/* Beside open(2)'s flags. */
enum {
  OPEN_ACROSS = 1 << 30,     /* mounts are entered, too */
  OPEN_NO_KERNEL = 1 << 29,  /* but none of those whose files are the kernel itself (proc, sysfs, cgroup and their kin): EXDEV */
  OPEN_BENEATH = 1 << 28,    /* for open_in_root: links that lead out of the root are refused (EXDEV) instead of ending inside */
};

/* Opens `path` as a process whose root is `root` would: absolute links start there, ".." stops there; no mount is
   crossed unless that is asked for, and no magic link followed. Returns the descriptor or -errno. */
int open_in_root (int root, const char *path, int flags);

/* Opens the directory entry `name` of `directory` itself: fails with ELOOP for a link, EXDEV for a mount point, unless mounts are
   entered. Returns the
   descriptor or -errno. */
int open_entry (int directory, const char *name, int flags);

#endif
