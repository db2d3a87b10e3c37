/* Errors as a runtime's callers read them: containerd and podman take the last "msg" of level "error" from the log file,
 * whose two formats are logrus's; people read standard error. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "err.h"
#include "fds.h"
#include "oci.h"

/* What err.text can become with its prefix, errno text and every byte escaped. */
#define MESSAGE_BYTES 768
#define LINE_BYTES (MESSAGE_BYTES * 6 + 128)

static const char *prefix_of (enum oci_verb verb) {
  switch (verb) {
  case OCI_CREATE:
    return "create failed: unable to start container process: ";
  case OCI_RUN:
    return "run failed: unable to start container process: ";
  case OCI_EXEC:
    return "exec failed: unable to start container process: ";
  case OCI_RESTORE:
    return "restore failed: ";
  default:
    return "start failed: ";
  }
}

/* strerror in the style of the rest: its first word in lower case, unless it is an abbreviation. */
static void compose (char *to, size_t size, const char *prefix, const struct err *e) {
  char reason[64];

  if (err_is_complete (e)) {
    snprintf (to, size, "%s%s", prefix, e->text);
    return;
  }
  snprintf (reason, sizeof reason, "%s", strerror (e->code));
  if (reason[0] >= 'A' && reason[0] <= 'Z' && reason[1] >= 'a' && reason[1] <= 'z')
    reason[0] = (char) (reason[0] - 'A' + 'a');
  snprintf (to, size, "%s%s: %s", prefix, e->text, reason);
}

/* The length of the valid UTF-8 sequence at `at`, 0 when there is none. */
static size_t utf8_length (const unsigned char *at) {
  size_t n = at[0] < 0x80                    ? 1
             : at[0] >= 0xc2 && at[0] < 0xe0 ? 2
             : at[0] >= 0xe0 && at[0] < 0xf0 ? 3
             : at[0] >= 0xf0 && at[0] < 0xf5 ? 4
                                             : 0;

  for (size_t i = 1; i < n; i++)
    if ((at[i] & 0xc0) != 0x80)
      return 0;
  if ((at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] > 0x9f) || (at[0] == 0xf0 && at[1] < 0x90) ||
      (at[0] == 0xf4 && at[1] > 0x8f))
    return 0;
  return n;
}

/* Fits both formats: what JSON escapes, Go's quoting does the same way, except that it has \x for bytes and \u for
   control characters are read by both. */
static void quote (char *to, size_t room, const char *message) {
  const unsigned char *at = (const unsigned char *) message;
  size_t used = 0;

  while (*at != '\0' && used + 8 < room) {
    size_t n = utf8_length (at);
    if (*at == '"' || *at == '\\')
      used += (size_t) sprintf (to + used, "\\%c", *at);
    else if (*at == '\n')
      used += (size_t) sprintf (to + used, "\\n");
    else if (*at == '\t')
      used += (size_t) sprintf (to + used, "\\t");
    else if (*at < 0x20 || *at == 0x7f)
      used += (size_t) sprintf (to + used, "\\u%04x", *at);
    else if (n == 0)
      used += (size_t) sprintf (to + used, "\\ufffd");
    else {
      memcpy (to + used, at, n);
      used += n;
    }
    at += n == 0 ? 1 : n;
  }
  to[used] = '\0';
}

static void append (const struct oci_options *o, const char *level, const char *message) {
  char line[LINE_BYTES], quoted[MESSAGE_BYTES * 6 + 1], when[32];
  time_t now = time (NULL);
  struct tm utc;

  auto_fd log = open (o->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0644);
  if (log < 0) {
    dprintf (2, "gantry-runc: cannot open the log \"%s\": %s\n", o->log, strerror (errno));
    return;
  }
  strftime (when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", gmtime_r (&now, &utc));
  quote (quoted, sizeof quoted, message);
  int size = o->log_json ? snprintf (line, sizeof line, "{\"level\":\"%s\",\"msg\":\"%s\",\"time\":\"%s\"}\n", level,
                                     quoted, when)
                         : snprintf (line, sizeof line, "time=\"%s\" level=%s msg=\"%s\"\n", when, level, quoted);
  if (write (log, line, (size_t) size) != size)
    dprintf (2, "gantry-runc: cannot write the log \"%s\": %s\n", o->log, strerror (errno));
}

void oci_report (const struct oci_options *o, const char *level, const struct err *e) {
  char message[MESSAGE_BYTES];

  compose (message, sizeof message, strcmp (level, "error") == 0 ? prefix_of (o->verb) : "", e);
  if (o->log != NULL)
    append (o, level, message);
  dprintf (2, "gantry-runc: %s%s\n", strcmp (level, "error") == 0 ? "" : "warning: ", message);
}
