/* The last step. Errors read as runc's, because clients match on them. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "fds.h"
#include "init.h"
#include "kernel.h"

static char **array_of (struct strings s, uint32_t extra) {
  char **array = calloc ((size_t) s.count + extra + 1, sizeof *array);

  for (uint32_t i = 0; array != NULL && i < s.count; i++)
    array[i] = (char *) (uintptr_t) take_str (&s.rest);
  return array;
}

/* An empty HOME counts as missing. */
static void set_home (char **env, uint32_t count, char *home) {
  uint32_t at = count;

  for (uint32_t i = 0; i < count; i++)
    if (strncmp (env[i], "HOME=", 5) == 0) {
      if (env[i][5] != '\0')
        return;
      at = i;
    }
  env[at] = home;
}

/* Where a program is looked for, and what is found. */
struct search {
  const char *name, *path; /* argv[0], $PATH */
  const char *found;       /* `name` or `buffer` */
  bool is_hidden;          /* something on the way could not be looked at: another user may see more */
  char buffer[PATH_MAX];
};

/* 0 when `path` can be executed, else the errno. A path that leads through a link of /proc (its own executable, a
   descriptor) is not for execution: it could be this very program. */
static int executable_errno (const char *path, bool *is_hidden) {
  struct stat st;
  auto_fd file = sys_openat2 (AT_FDCWD, path, O_PATH, 0, RESOLVE_NO_MAGICLINKS);

  if (file < 0 && errno == ELOOP)
    return stat (path, &st) < 0 ? errno : EACCES;
  /* A seccomp filter that does not know openat2. */
  if (file < 0 && errno != ENOSYS && errno != EPERM) {
    *is_hidden = *is_hidden || errno == EACCES;
    return errno;
  }
  if ((file < 0 ? stat (path, &st) : fstat (file, &st)) < 0)
    return errno;
  if (S_ISDIR (st.st_mode))
    return EISDIR;
  /* EPERM is a filter's answer; then execve will tell. */
  return faccessat (AT_FDCWD, path, X_OK, AT_EACCESS) < 0 && errno != EPERM ? errno : 0;
}

static int check_found (struct search *s, const char *path, struct err *e) {
  char reason[64];
  int code = executable_errno (path, &s->is_hidden);

  s->found = path;
  if (code == 0)
    return 0;
  if (code == EISDIR)
    return err_set (e, code, "exec: \"%s\": is a directory", path);
  if (code == EACCES || code == EPERM)
    return err_set (e, code, "exec: \"%s\": permission denied", path);
  const char *text = strerrordesc_np (code);
  strncpy (reason, text == NULL ? "unknown error" : text, sizeof reason - 1);
  reason[sizeof reason - 1] = '\0';
  if (reason[0] >= 'A' && reason[0] <= 'Z')
    reason[0] = (char) (reason[0] - 'A' + 'a');
  return err_set (e, code, "exec: \"%s\": stat %s: %s", path, path, reason);
}

/* On failure `e` has the words for it. */
static int find_program (struct search *s, struct err *e) {
  size_t name_size = strlen (s->name);

  if (strchr (s->name, '/') != NULL)
    return check_found (s, s->name, e);
  for (const char *at = s->path; name_size > 0 && *s->path != '\0'; at++) {
    size_t n = strcspn (at, ":");
    if (n + name_size + 2 <= sizeof s->buffer) {
      memcpy (s->buffer, n == 0 ? "." : at, n == 0 ? 1 : n);
      n += n == 0;
      s->buffer[n] = '/';
      memcpy (s->buffer + n + 1, s->name, name_size + 1);
      if (executable_errno (s->buffer, &s->is_hidden) == 0) {
        if (s->buffer[0] != '/')
          return err_set (e, EACCES, "exec: \"%s\": cannot run executable found relative to current directory",
                          s->name);
        s->found = s->buffer;
        return 0;
      }
    }
    at += strcspn (at, ":");
    if (*at == '\0')
      break;
  }
  return err_set (e, ENOENT, "exec: \"%s\": executable file not found in $PATH", s->name);
}

/* An empty $PATH has no entries at all: nothing is found in it, ever. */
static bool has_relative_entry (const char *search_path) {
  for (const char *at = search_path; *search_path != '\0'; at++) {
    if (*at != '/')
      return true;
    at += strcspn (at, ":");
    if (*at == '\0')
      break;
  }
  return false;
}

/* Ahead of time, as root and before CWD: only what will be as wrong then is an error now. */
int program_lookup (struct init *in, struct err *e) {
  const struct plan_op_view *exec = &in->plan->ops[in->plan->op_count - 1];
  struct fields f = fields_of (exec->payload, exec->size);
  struct strings arguments = take_strv (&f);
  take_strv (&f);
  struct search s = { .name = take_str (&arguments.rest), .path = take_str (&f) };
  bool is_path = strchr (s.name, '/') != NULL;

  if (is_path ? s.name[0] != '/' : has_relative_entry (s.path))
    return 0;
  return find_program (&s, e) == 0 || s.is_hidden ? 0 : -1;
}

int step_exec (struct init *in, struct fields *f, uint16_t flags, struct err *e) {
  (void) flags;
  struct strings arguments = take_strv (f), environment = take_strv (f);
  struct search s = { .path = take_str (f) };
  char **argv = array_of (arguments, 0), **env = array_of (environment, 1);

  if (argv == NULL || env == NULL)
    return err_set (e, ENOMEM, "cannot build the argument list");
  if (in->home != NULL)
    set_home (env, environment.count, in->home);
  umask (in->umask);
  if (sys_close_range (in->first_own_fd, ~0u, CLOSE_RANGE_CLOEXEC) < 0 && !in->is_swept)
    return err_set (e, errno, "cannot mark descriptors close-on-exec");
  if ((in->plan->flags & PLAN_JOIN) != 0 && be_born_inside (in, e) < 0)
    return -1;
  if (in->has_reaper && reaper_fork (in, e) < 0)
    return -1;
  __atomic_store_n (&in->progress->stage, PROGRESS_EXECUTING, __ATOMIC_RELEASE);
  s.name = argv[0];
  if (find_program (&s, e) < 0)
    return -1;
  execve (s.found, argv, env);
  return err_set (e, errno, "exec %s", s.found);
}
