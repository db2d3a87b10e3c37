/* Kernel interfaces that the C library lacks: constants of newer kernels and system calls without a wrapper. */
#ifndef GANTRY_KERNEL_H
#define GANTRY_KERNEL_H

#include <fcntl.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif
#ifndef CLONE_CLEAR_SIGHAND
#define CLONE_CLEAR_SIGHAND 0x100000000ULL
#endif
#ifndef CLONE_INTO_CGROUP
#define CLONE_INTO_CGROUP 0x200000000ULL
#endif
#ifndef MOUNT_ATTR_NOSYMFOLLOW
#define MOUNT_ATTR_NOSYMFOLLOW 0x00200000
#endif
#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif
#ifndef TIOCGPTPEER
#define TIOCGPTPEER _IO ('T', 0x41)
#endif
#ifndef PROC_SUPER_MAGIC
#define PROC_SUPER_MAGIC 0x9fa0
#endif
#ifndef SYSFS_MAGIC
#define SYSFS_MAGIC 0x62656572
#endif
#ifndef DEVPTS_SUPER_MAGIC
#define DEVPTS_SUPER_MAGIC 0x1cd1
#endif

/* All namespaces a plan may make, and those it may name by path. */
#define CLONE_NAMESPACES                                                                                               \
  (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWTIME)

#define MS_PROPAGATION (MS_PRIVATE | MS_SHARED | MS_SLAVE | MS_UNBINDABLE)

static inline pid_t sys_clone3 (struct clone_args *args) {
  return (pid_t) syscall (SYS_clone3, args, sizeof *args);
}

static inline int sys_openat2 (int dirfd, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve) {
  struct open_how how = { .flags = flags | O_CLOEXEC, .mode = mode, .resolve = resolve };
  return (int) syscall (SYS_openat2, dirfd, path, &how, sizeof how);
}

static inline int sys_pivot_root (const char *new_root, const char *put_old) {
  return (int) syscall (SYS_pivot_root, new_root, put_old);
}

static inline int sys_pidfd_open (pid_t pid) {
  return (int) syscall (SYS_pidfd_open, pid, 0);
}

static inline int sys_pidfd_send_signal (int pidfd, int signal) {
  return (int) syscall (SYS_pidfd_send_signal, pidfd, signal, NULL, 0);
}

static inline int sys_close_range (unsigned first, unsigned last, unsigned flags) {
  return (int) syscall (SYS_close_range, first, last, flags);
}

#endif
