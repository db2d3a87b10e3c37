/* The command line. gantry-runc wrote it, but it is checked like any: a word too many could be the one that mattered. */
#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "oci.h"

#define VERB(v) (1u << (v))
#define RESTORE VERB (OCI_RESTORE)
#define ALL (VERB (OCI_CREATE) | VERB (OCI_RUN) | VERB (OCI_START) | VERB (OCI_EXEC) | RESTORE)
#define MAKING (VERB (OCI_CREATE) | VERB (OCI_RUN))
#define PROCESS (MAKING | VERB (OCI_EXEC))
/* More than any caller has, and no more than may be looked at one by one. */
#define MAX_PRESERVED 65536

static const char *const verbs[] = {
  [OCI_CREATE] = "create", [OCI_RUN] = "run", [OCI_START] = "start", [OCI_EXEC] = "exec", [OCI_RESTORE] = "restore"
};

enum kind { FLAG, TEXT, NUMBER, FORMAT };

static const struct option {
  const char *name;
  enum kind kind;
  uint32_t verbs, required;
  size_t offset; /* of a FLAG or TEXT; what a NUMBER is for, its name says */
} options[] = {
  { "--plan-fd", NUMBER, ALL, PROCESS | RESTORE, 0 },
  { "--state", TEXT, ALL & ~VERB (OCI_EXEC), ALL & ~VERB (OCI_EXEC), offsetof (struct oci_options, state) },
  { "--detach", FLAG, VERB (OCI_RUN) | VERB (OCI_EXEC) | RESTORE, 0, offsetof (struct oci_options, detach) },
  { "--keep", FLAG, VERB (OCI_RUN) | RESTORE, 0, offsetof (struct oci_options, keep) },
  { "--subreaper", FLAG, VERB (OCI_RUN) | VERB (OCI_EXEC) | RESTORE, 0, offsetof (struct oci_options, subreaper) },
  { "--pid-file", TEXT, PROCESS | RESTORE, 0, offsetof (struct oci_options, pid_file) },
  { "--console-socket", TEXT, PROCESS, 0, offsetof (struct oci_options, console_socket) },
  { "--preserve-fds", NUMBER, PROCESS, 0, 0 },
  { "--join", NUMBER, VERB (OCI_EXEC) | VERB (OCI_START), VERB (OCI_EXEC) | VERB (OCI_START), 0 },
  { "--start-ticks", NUMBER, VERB (OCI_EXEC) | VERB (OCI_START), 0, 0 },
  { "--notify-socket", TEXT, VERB (OCI_RUN) | VERB (OCI_START), 0, offsetof (struct oci_options, notify_socket) },
  { "--notify-dir", TEXT, VERB (OCI_RUN) | VERB (OCI_START), 0, offsetof (struct oci_options, notify_dir) },
  { "--rootfs", TEXT, RESTORE, RESTORE, offsetof (struct oci_options, rootfs) },
  { "--criu-log", TEXT, RESTORE, RESTORE, offsetof (struct oci_options, criu_log) },
  { "--network", TEXT, RESTORE, 0, offsetof (struct oci_options, network) },
  { "--pids", TEXT, RESTORE, 0, offsetof (struct oci_options, pids) },
  { "--log", TEXT, ALL, 0, offsetof (struct oci_options, log) },
  { "--log-format", FORMAT, ALL, 0, 0 },
};

#define OPTIONS (sizeof options / sizeof *options)

static int take_number (const struct option *option, const char *text, struct oci_options *o, struct err *e) {
  char *end;

  errno = 0;
  unsigned long long n = strtoull (text, &end, 10);
  bool is_number = text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0;
  if (strcmp (option->name, "--start-ticks") == 0 && is_number)
    o->init_ticks = n;
  else if (strcmp (option->name, "--plan-fd") == 0 && is_number && n > 2 && n <= INT_MAX)
    o->plan_fd = (int) n;
  else if (strcmp (option->name, "--join") == 0 && is_number && n > 0 && n <= INT_MAX)
    o->init_pid = (pid_t) n;
  else if (strcmp (option->name, "--preserve-fds") == 0 && is_number && n <= MAX_PRESERVED)
    o->preserved_fds = (unsigned) n;
  else
    return err_set (e, 0, "invalid value \"%.100s\" for %s", text, option->name);
  return 0;
}

static int take_value (const struct option *option, const char *text, struct oci_options *o, struct err *e) {
  switch (option->kind) {
  case NUMBER:
    return take_number (option, text, o, e);
  case FORMAT:
    o->log_json = strcmp (text, "json") == 0;
    return o->log_json || strcmp (text, "text") == 0 ? 0 : err_set (e, 0, "invalid log format \"%.100s\"", text);
  default:
    if (text[0] == '\0')
      return err_set (e, 0, "the value of %s is empty", option->name);
    memcpy ((char *) o + option->offset, &text, sizeof text);
    return 0;
  }
}

/* 1 or 2, the words used, or -1. */
static int take_option (char **argv, struct oci_options *o, uint32_t *seen, struct err *e) {
  for (size_t i = 0; i < OPTIONS; i++) {
    const struct option *option = &options[i];
    if (strcmp (argv[0], option->name) != 0)
      continue;
    if ((option->verbs & VERB (o->verb)) == 0)
      return err_set (e, 0, "%s does not take %s", verbs[o->verb], option->name);
    if ((*seen & (1u << i)) != 0)
      return err_set (e, 0, "%s is given twice", option->name);
    *seen |= 1u << i;
    if (option->kind == FLAG) {
      *(bool *) ((char *) o + option->offset) = true;
      return 1;
    }
    if (argv[1] == NULL)
      return err_set (e, 0, "%s needs a value", option->name);
    return take_value (option, argv[1], o, e) < 0 ? -1 : 2;
  }
  return err_set (e, 0, "unknown argument \"%.100s\"", argv[0]);
}

static int check_together (const struct oci_options *o, uint32_t seen, struct err *e) {
  for (size_t i = 0; i < OPTIONS; i++)
    if ((options[i].required & VERB (o->verb)) != 0 && (seen & (1u << i)) == 0)
      return err_set (e, 0, "%s needs %s", verbs[o->verb], options[i].name);
  if ((o->notify_socket == NULL) != (o->notify_dir == NULL))
    return err_set (e, 0, "--notify-socket and --notify-dir go together");
  if (o->plan_fd >= 0 && (unsigned) o->plan_fd < 3 + o->preserved_fds)
    return err_set (e, 0, "the plan's descriptor %d is among those to preserve", o->plan_fd);
  return 0;
}

int oci_options_parse (int argc, char **argv, struct oci_options *o, struct err *e) {
  uint32_t seen = 0;
  size_t verb = 0;

  *o = (struct oci_options){ .plan_fd = -1 };
  while (argc > 1 && verb < sizeof verbs / sizeof *verbs && strcmp (argv[1], verbs[verb]) != 0)
    verb++;
  if (argc < 2 || verb == sizeof verbs / sizeof *verbs)
    return err_set (e, 0, "usage: gantry-shim oci create|run|start|exec|restore OPTION...");
  o->verb = (enum oci_verb) verb;
  for (int i = 2, used; i < argc; i += used) {
    used = take_option (argv + i, o, &seen, e);
    if (used < 0)
      return -1;
  }
  return check_together (o, seen, e);
}
