/* Who the process is: docs/decisions/0002. The rules are Docker's: a row gives uid, gid and home; a number without a
 * row is that uid with group 0; an explicit group displaces the groups that list the user. */
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "accounts.h"
#include "init.h"
#include "kernel.h"

struct wish {
  uint32_t user_kind, uid;
  const char *user;
  uint32_t group_kind, gid;
  const char *group;
  struct strings add_groups;
  bool home;
};

static struct wish take_wish (struct fields *f) {
  struct wish w;

  w.user_kind = take_u32 (f);
  w.uid = take_u32 (f);
  w.user = take_str (f);
  w.group_kind = take_u32 (f);
  w.gid = take_u32 (f);
  w.group = take_str (f);
  w.add_groups = take_strv (f);
  w.home = take_u32 (f) == 1;
  return w;
}

static int find_user (struct init *in, const struct wish *w, struct account *user, struct err *e) {
  bool by_name = w->user_kind == ID_NAME;

  user->found = false;
  if (by_name || w->home || w->group_kind == ID_NONE)
    if (accounts_find_user (in->root_fd, by_name ? w->user : NULL, w->uid, user, e) < 0)
      return -1;
  if (user->found)
    return 0;
  if (by_name)
    return err_set (e, ENOENT, "unable to find user %.200s: no matching entries in passwd file", w->user);
  user->uid = w->uid;
  user->gid = 0;
  user->name[0] = '\0';
  strcpy (user->home, "/");
  return 0;
}

/* Puts the primary group first: a file that denies it must deny it to a process which got it this way, too. */
static int find_groups (struct init *in, const struct wish *w, struct account *user, struct group_search *s,
                        struct err *e) {
  s->more = w->add_groups;
  s->name = w->group_kind == ID_NAME ? w->group : NULL;
  s->member = w->group_kind == ID_NONE && user->found ? user->name : NULL;
  if (w->group_kind == ID_NUMBER)
    user->gid = w->gid;
  if (accounts_find_groups (in->root_fd, s, e) < 0)
    return -1;
  if (w->group_kind == ID_NAME && !s->found)
    return err_set (e, ENOENT, "unable to find group %.200s: no matching entries in group file", w->group);
  if (w->group_kind == ID_NAME)
    user->gid = s->gid;
  return group_search_add (s, user->gid, e);
}

/* As its owner the user can open /dev/stdout again. The null device belongs to everybody. */
static int give_stdio (uint32_t uid, struct err *e) {
  struct stat st;

  for (int fd = 0; fd < 3; fd++) {
    if (fstat (fd, &st) < 0 || st.st_uid == uid || (S_ISCHR (st.st_mode) && st.st_rdev == makedev (1, 3)))
      continue;
    if (fchown (fd, uid, (gid_t) -1) < 0 && errno != EINVAL && errno != EPERM && errno != EROFS)
      return err_set (e, errno, "cannot give descriptor %d to %u", fd, uid);
  }
  return 0;
}

/* The kernel empties the effective set when root becomes somebody else; a seccomp filter may need it still. */
int restore_effective (struct err *e) {
  struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
  struct __user_cap_data_struct data[2];

  if (syscall (SYS_capget, &header, data) < 0)
    return err_set (e, errno, "cannot read capabilities");
  data[0].effective = data[0].permitted;
  data[1].effective = data[1].permitted;
  return syscall (SYS_capset, &header, data) < 0 ? err_set (e, errno, "cannot restore capabilities") : 0;
}

static int become (const struct account *user, const struct group_search *s, struct err *e) {
  /* A user namespace can forbid it (user_namespaces(7)). Then there are no groups to lose, and the primary one comes
     below. */
  if (setgroups (s->count, s->groups) < 0 && (errno != EPERM || s->count > 1 || getgroups (0, NULL) > 0))
    return err_set (e, errno, "cannot set %u supplementary groups", s->count);
  if (setresgid (user->gid, user->gid, user->gid) < 0)
    return err_set (e, errno, "cannot set the group to %u", user->gid);
  if (prctl (PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
    return err_set (e, errno, "cannot keep capabilities");
  if (setresuid (user->uid, user->uid, user->uid) < 0)
    return err_set (e, errno, "cannot set the user to %u", user->uid);
  return user->uid == 0 ? 0 : restore_effective (e);
}

static int keep_home (struct init *in, const char *home, struct err *e) {
  in->home = malloc (strlen (home) + sizeof "HOME=");
  if (in->home == NULL)
    return err_set (e, ENOMEM, "cannot keep the home directory");
  strcpy (stpcpy (in->home, "HOME="), home);
  return 0;
}

/* For who asks for numbers only. Never returns: nothing of the image is run. */
static _Noreturn void report (const struct account *user, const struct group_search *s) {
  bool written = dprintf (STDOUT_FILENO, "%u %u\n%s\n", user->uid, user->gid, user->home) > 0;

  for (uint32_t i = 0; i < s->count; i++)
    written = dprintf (STDOUT_FILENO, i == 0 ? "%u" : " %u", s->groups[i]) > 0 && written;
  _exit (dprintf (STDOUT_FILENO, "\n") > 0 && written ? 0 : 1);
}

int step_identity (struct init *in, struct fields *f, uint16_t flags, struct err *e) {
  struct wish w = take_wish (f);
  struct account user;
  struct group_search search = { 0 };

  if (find_user (in, &w, &user, e) < 0 || find_groups (in, &w, &user, &search, e) < 0)
    return -1;
  if ((flags & OPF_REPORT) != 0) {
    __atomic_store_n (&in->progress->stage, PROGRESS_EXECUTING, __ATOMIC_RELEASE);
    report (&user, &search);
  }
  if (w.home && keep_home (in, user.home, e) < 0)
    return -1;
  if (give_stdio (user.uid, e) < 0 || become (&user, &search, e) < 0)
    return -1;
  free (search.groups);
  in->has_identity = true;
  return cwd_retry_as_user (in, e);
}
