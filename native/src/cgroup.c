#include "cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <linux/bpf.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>

#include "err.h"
#include "fds.h"
#include "fields.h"
#include "kernel.h"
#include "plan.h"

struct directory {
  struct directory *next;
  bool is_made, is_task; /* made by us; named by a CREATE op, not just above one */
  char path[];
};

struct cgroup_trail {
  struct directory *directories; /* the latest first: a child before its parent */
  int oom_fd;         /* -1: somebody else will make it */
  char *oom_path;     /* NULL when there is none */
  bool has_bell;      /* of version 1, whose files cannot be watched themselves */
  uint64_t oom_kills; /* as far as they have been told */
  bool kills_leftovers;
};

/* Somebody who shares a parent with us may remove it, empty, between our two mkdirs. */
#define CREATE_ROUNDS 20
/* Zombies keep a cgroup busy until they are reaped, which takes the kernel moments. */
#define REMOVE_ROUNDS 200
#define KILL_ROUNDS 200

static void pause_ms (long ms) {
  nanosleep (&(struct timespec){ .tv_nsec = ms * 1000000 }, NULL);
}

/* ---- making ---- */

static int remember (struct cgroup_trail *t, const char *path, size_t length, bool is_made, bool is_task,
                     struct err *e) {
  struct directory *d = malloc (sizeof *d + length + 1);

  if (d == NULL)
    return err_set (e, ENOMEM, "cannot remember the cgroup \"%s\"", path);
  memcpy (d->path, path, length);
  d->path[length] = '\0';
  d->is_made = is_made;
  d->is_task = is_task;
  d->next = t->directories;
  t->directories = d;
  return 0;
}

/* Makes `path`, whose parents exist. 0, or -1 with errno ENOENT when they do not, or with `e` set. */
static int make_last (struct cgroup_trail *t, const char *path, size_t length, bool is_task, struct err *e) {
  char at[PATH_MAX];

  memcpy (at, path, length);
  at[length] = '\0';
  if (mkdir (at, 0755) == 0)
    return remember (t, at, length, true, is_task, e);
  if (errno == EEXIST)
    return is_task ? remember (t, at, length, false, true, e) : 0;
  if (errno != ENOENT)
    return err_set (e, errno, "cannot make the cgroup \"%s\"", at);
  return -1;
}

static int create (struct cgroup_trail *t, const char *path, struct err *e) {
  size_t length = strlen (path);

  while (length > 1 && path[length - 1] == '/')
    length--;
  for (int round = 0; round < CREATE_ROUNDS; round++) {
    if (make_last (t, path, length, true, e) == 0)
      return 0;
    if (errno != ENOENT)
      return -1;
    for (size_t n = 1; n < length; n++)
      if (path[n] == '/' && path[n - 1] != '/' && make_last (t, path, n, false, e) < 0 && errno != ENOENT)
        return -1;
  }
  return err_set (e, ENOENT, "cannot make the cgroup \"%s\"", path);
}

static int read_line (const char *path, char *line, size_t size, struct err *e) {
  auto_fd file = open (path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
  ssize_t n = file < 0 ? -1 : read (file, line, size - 1);

  if (n < 0)
    return err_set (e, errno, "cannot read \"%s\"", path);
  line[n] = '\0';
  line[strcspn (line, "\n")] = '\0';
  return 0;
}

static int write_file (const char *path, const char *value, bool may_miss, struct err *e) {
  auto_fd file = open (path, O_WRONLY | O_CLOEXEC | O_NOCTTY);

  if (file < 0)
    return errno == ENOENT && may_miss ? 0 : err_set (e, errno, "cannot open \"%s\"", path);
  if (write (file, value, strlen (value)) < 0)
    return err_set (e, errno, "cannot write \"%.200s\" to \"%s\"", value, path);
  return 0;
}

/* Limits that somebody gave it are left alone. */
static int inherit_file (const char *directory, const char *name, struct err *e) {
  char own[PATH_MAX], above[PATH_MAX], value[4096];

  if (snprintf (own, sizeof own, "%s/%s", directory, name) >= (int) sizeof own ||
      snprintf (above, sizeof above, "%s/../%s", directory, name) >= (int) sizeof above)
    return err_set (e, ENAMETOOLONG, "cannot fill the cgroup \"%s\"", directory);
  if (read_line (own, value, sizeof value, e) < 0)
    return -1;
  if (value[0] != '\0')
    return 0;
  return read_line (above, value, sizeof value, e) < 0 ? -1 : write_file (own, value, false, e);
}

static int inherit_cpuset (const char *directory, struct err *e) {
  return inherit_file (directory, "cpuset.cpus", e) < 0 ? -1 : inherit_file (directory, "cpuset.mems", e);
}

static int attach_program (const char *path, struct blob instructions, struct err *e) {
  union bpf_attr load = {
    .prog_type = BPF_PROG_TYPE_CGROUP_DEVICE,
    .insns = (uintptr_t) instructions.data,
    .insn_cnt = instructions.size / (uint32_t) sizeof (struct bpf_insn),
    .license = (uintptr_t) "Apache-2.0",
  };
  auto_fd directory = open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0)
    return err_set (e, errno, "cannot open the cgroup \"%s\"", path);
  auto_fd program = (int) syscall (SYS_bpf, BPF_PROG_LOAD, &load, sizeof load);
  if (program < 0)
    return err_set (e, errno, "cannot load the device program for \"%s\"", path);
  union bpf_attr attach = {
    .target_fd = (uint32_t) directory,
    .attach_bpf_fd = (uint32_t) program,
    .attach_type = BPF_CGROUP_DEVICE,
    .attach_flags = BPF_F_ALLOW_MULTI,
  };
  if (syscall (SYS_bpf, BPF_PROG_ATTACH, &attach, sizeof attach) < 0)
    return err_set (e, errno, "cannot attach the device program to \"%s\"", path);
  return 0;
}

static int give (const char *path, uint32_t uid, struct strings files, struct err *e) {
  auto_fd directory = open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

  if (directory < 0)
    return err_set (e, errno, "cannot open the cgroup \"%s\"", path);
  if (fchown (directory, uid, (gid_t) -1) < 0)
    return err_set (e, errno, "cannot give \"%s\" to user %u", path, uid);
  for (uint32_t i = 0; i < files.count; i++) {
    const char *name = take_str (&files.rest);
    if (strchr (name, '/') != NULL)
      return err_set (e, EINVAL, "\"%s\" is not the name of a file in a cgroup", name);
    if (fchownat (directory, name, uid, (gid_t) -1, AT_SYMLINK_NOFOLLOW) < 0 && errno != ENOENT)
      return err_set (e, errno, "cannot give \"%s/%s\" to user %u", path, name, uid);
  }
  return 0;
}

static int perform (struct cgroup_trail *t, const struct plan_op_view *op, struct err *e) {
  struct fields f = fields_of (op->payload, op->size);
  const char *path = take_str (&f);

  switch (op->kind) {
  case OP_CGROUP_CREATE:
    if (create (t, path, e) < 0)
      return -1;
    return (op->flags & OPF_INHERIT) != 0 ? inherit_cpuset (path, e) : 0;
  case OP_CGROUP_WRITE:
    return write_file (path, take_str (&f), (op->flags & OPF_MAY_MISS) != 0, e);
  case OP_CGROUP_BPF:
    return attach_program (path, take_blob (&f), e);
  case OP_CGROUP_OWNER: {
    uint32_t uid = take_u32 (&f);
    return give (path, uid, take_strv (&f), e);
  }
  default:
    if ((t->oom_path = strdup (path)) == NULL)
      return err_set (e, ENOMEM, "cannot remember \"%s\"", path);
    if ((op->flags & OPF_MAY_MISS) != 0)
      return 0;
    t->oom_fd = open (path, O_RDONLY | O_CLOEXEC);
    return t->oom_fd < 0 ? err_set (e, errno, "cannot open \"%s\"", path) : 0;
  }
}

int cgroup_prepare (const struct plan *p, struct cgroup_trail **out, struct err *e) {
  struct cgroup_trail *t = NULL;

  *out = NULL;
  for (uint32_t i = 0; i < p->op_count; i++) {
    if (p->ops[i].kind > OP_OOM_FILE && p->ops[i].kind != OP_CGROUP_OWNER)
      continue;
    if (t == NULL && (t = calloc (1, sizeof *t)) == NULL)
      return err_set (e, ENOMEM, "cannot keep track of cgroups");
    if (*out == NULL)
      t->oom_fd = -1;
    *out = t;
    if (perform (t, &p->ops[i], e) < 0) {
      e->op = i + 1;
      cgroup_release (t);
      *out = NULL;
      return -1;
    }
  }
  /* From here on there may be processes. */
  if (t != NULL)
    t->kills_leftovers = (p->flags & PLAN_HOST_PID) != 0;
  return 0;
}

int cgroup_leave (const struct plan *p, struct err *e) {
  for (uint32_t i = 0; i < p->op_count; i++) {
    if (p->ops[i].kind != OP_CGROUP_LEAVE)
      continue;
    struct fields f = fields_of (p->ops[i].payload, p->ops[i].size);
    if (write_file (take_str (&f), "0", false, e) < 0) {
      e->op = i + 1;
      return -1;
    }
  }
  return 0;
}

/* ---- asking ---- */

/* -1 when it cannot be read (any more). */
static int64_t oom_kills_in (int file) {
  char text[1024];
  ssize_t n = file < 0 ? -1 : pread (file, text, sizeof text - 1, 0);

  if (n < 0)
    return -1;
  text[n] = '\0';
  for (const char *line = text; line != NULL; line = strchr (line, '\n')) {
    line += *line == '\n';
    if (strncmp (line, "oom_kill ", 9) == 0)
      return (int64_t) strtoull (line + 9, NULL, 10);
  }
  return 0;
}

bool cgroup_was_oom_killed (const struct cgroup_trail *t) {
  if (t == NULL || t->oom_path == NULL)
    return false;
  auto_fd late = t->oom_fd >= 0 ? -1 : open (t->oom_path, O_RDONLY | O_CLOEXEC);
  return oom_kills_in (late >= 0 ? late : t->oom_fd) > 0;
}

/* ---- being told ---- */

/* An eventfd that rings when memory runs out in a cgroup of version 1. */
static int install_bell (const struct cgroup_trail *t) {
  char control[PATH_MAX], order[32];
  int directory_length = (int) (strrchr (t->oom_path, '/') - t->oom_path);
  auto_fd bell = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
  struct err e;

  if (bell < 0 || snprintf (control, sizeof control, "%.*s/cgroup.event_control", directory_length, t->oom_path) >=
                    (int) sizeof control)
    return -1;
  snprintf (order, sizeof order, "%d %d", bell, t->oom_fd);
  if (write_file (control, order, false, &e) < 0)
    return -1;
  if (oom_kills_in (t->oom_fd) > 0)
    eventfd_write (bell, 1);
  return fd_release (&bell);
}

int cgroup_watch_oom (struct cgroup_trail *t) {
  if (t == NULL || t->oom_path == NULL || strchr (t->oom_path, '/') == NULL)
    return -1;
  if (t->oom_fd < 0)
    t->oom_fd = open (t->oom_path, O_RDONLY | O_CLOEXEC);
  if (t->oom_fd < 0)
    return -1;
  t->has_bell = strcmp (strrchr (t->oom_path, '/'), "/memory.oom_control") == 0;
  return t->has_bell ? install_bell (t) : fcntl (t->oom_fd, F_DUPFD_CLOEXEC, 0);
}

bool cgroup_ran_out_of_memory (struct cgroup_trail *t, int watched) {
  eventfd_t rings;
  int64_t kills = t == NULL ? -1 : oom_kills_in (t->oom_fd);

  if (kills < 0)
    return false;
  /* The bell rings before anybody is killed, and when nobody is to be. */
  if (t->has_bell)
    return eventfd_read (watched, &rings) == 0;
  bool grew = (uint64_t) kills > t->oom_kills;
  t->oom_kills = (uint64_t) kills;
  return grew;
}

/* ---- walking a cgroup and what the container made below it ---- */

/* Opens the first directory in `fd`, with its name. -1 when there is none. */
static int first_child (int fd, char name[NAME_MAX + 1]) {
  int copy = openat (fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *entries = copy < 0 ? NULL : fdopendir (copy);
  int child = -1;

  if (entries == NULL) {
    fd_close (&copy);
    return -1;
  }
  for (struct dirent *d; child < 0 && (d = readdir (entries)) != NULL;)
    if (d->d_type == DT_DIR && strcmp (d->d_name, ".") != 0 && strcmp (d->d_name, "..") != 0) {
      snprintf (name, NAME_MAX + 1, "%s", d->d_name);
      child = openat (fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    }
  closedir (entries);
  return child;
}

/* Removes the deepest first child, again and again: no recursion, however deep the container nested them. False when
   one is still busy. */
static bool remove_children (const char *path) {
  char name[NAME_MAX + 1], last[NAME_MAX + 1];

  for (;;) {
    auto_fd at = open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    auto_fd parent = -1;
    for (int child; at >= 0 && (child = first_child (at, name)) >= 0;) {
      fd_close (&parent);
      parent = fd_release (&at);
      at = child;
      memcpy (last, name, sizeof last);
    }
    if (parent < 0)
      return true;
    fd_close (&at);
    if (unlinkat (parent, last, AT_REMOVEDIR) < 0 && errno != ENOENT)
      return false;
  }
}

static void remove_directory (const struct directory *d) {
  /* One above the task's own may serve other tasks. The last of them removes it. */
  int rounds = d->is_task ? REMOVE_ROUNDS : 1;

  for (int round = 0; round < rounds; round++) {
    if (rmdir (d->path) == 0 || errno != EBUSY)
      return;
    if (d->is_task && (remove_children (d->path) && rmdir (d->path) == 0))
      return;
    if (d->is_task)
      pause_ms (round < 20 ? 1 : 10);
  }
}

/* ---- killing ---- */

static bool write_in (const char *directory, const char *name, const char *value) {
  char path[PATH_MAX];
  struct err unused;

  return snprintf (path, sizeof path, "%s/%s", directory, name) < (int) sizeof path && access (path, W_OK) == 0 &&
         write_file (path, value, false, &unused) == 0;
}

/* Kills who is listed. The number of them. */
static int kill_listed (const char *directory) {
  char path[PATH_MAX], text[4096];
  int count = 0;
  pid_t pid = 0;
  ssize_t n;

  if (snprintf (path, sizeof path, "%s/cgroup.procs", directory) >= (int) sizeof path)
    return 0;
  auto_fd list = open (path, O_RDONLY | O_CLOEXEC);
  while (list >= 0 && (n = read (list, text, sizeof text)) > 0)
    for (ssize_t i = 0; i < n; i++)
      if (text[i] >= '0' && text[i] <= '9')
        pid = pid * 10 + (text[i] - '0');
      else {
        if (pid > 1) {
          kill (pid, SIGKILL);
          count++;
        }
        pid = 0;
      }
  return count;
}

/* Version 2 has a file for it. In version 1 the freezer, where the task is in one, keeps them from forking away
   meanwhile. */
static void kill_leftovers (const struct cgroup_trail *t) {
  for (const struct directory *d = t->directories; d != NULL; d = d->next) {
    if (!d->is_task || write_in (d->path, "cgroup.kill", "1"))
      continue;
    bool frozen = write_in (d->path, "freezer.state", "FROZEN");
    for (int round = 0; round < KILL_ROUNDS && kill_listed (d->path) > 0; round++) {
      if (frozen)
        write_in (d->path, "freezer.state", "THAWED");
      frozen = false;
      pause_ms (round < 20 ? 1 : 10);
    }
    if (frozen)
      write_in (d->path, "freezer.state", "THAWED");
  }
}

void cgroup_forget (struct cgroup_trail *t) {
  if (t == NULL)
    return;
  while (t->directories != NULL) {
    struct directory *d = t->directories;
    t->directories = d->next;
    free (d);
  }
  fd_close (&t->oom_fd);
  free (t->oom_path);
  free (t);
}

void cgroup_release (struct cgroup_trail *t) {
  if (t == NULL)
    return;
  if (t->kills_leftovers)
    kill_leftovers (t);
  for (const struct directory *d = t->directories; d != NULL; d = d->next)
    if (d->is_made)
      remove_directory (d);
  cgroup_forget (t);
}
