#include "accounts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "err.h"
#include "fds.h"
#include "inroot.h"
#include "kernel.h"

#define FILE_LIMIT (10u << 20)

/* ---- rows as a stream of fields ---- */

struct rows {
  const char *path;
  int fd; /* -1: no file, no rows */
  size_t total, at, have;
  int last; /* the character that ended the last field: ':', ',', '\n' or -1 */
  char buffer[16384];
};

static int rows_open (int root, const char *path, struct rows *r, struct err *e) {
  struct stat st;

  r->path = path;
  r->total = r->at = r->have = 0;
  r->last = '\n';
  r->fd = inroot_open (root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  if (r->fd < 0)
    return errno == ENOENT || errno == ENOTDIR ? 0 : err_set (e, errno, "cannot open \"%s\"", path);
  if (fstat (r->fd, &st) < 0 || !S_ISREG (st.st_mode)) {
    fd_close (&r->fd);
    return err_set (e, 0, "cannot read \"%s\": it is not a regular file", path);
  }
  return 0;
}

static int rows_character (struct rows *r, struct err *e) {
  if (r->at == r->have) {
    ssize_t n = r->fd < 0 ? 0 : read (r->fd, r->buffer, sizeof r->buffer);
    if (n < 0)
      return err_set (e, errno, "cannot read \"%s\"", r->path) - 1;
    if (n == 0)
      return -1;
    r->total += (size_t) n;
    if (r->total > FILE_LIMIT)
      return err_set (e, 0, "cannot read \"%s\": it is larger than 10 MiB", r->path) - 1;
    r->at = 0;
    r->have = (size_t) n;
  }
  return (unsigned char) r->buffer[r->at++];
}

static bool is_blank (int c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f';
}

/* Takes the next field of the row, cut to `size`: the result is its full length, or -1 with `e`. Blanks around a row do
   not count. */
static ssize_t rows_field (struct rows *r, char *text, size_t size, bool at_commas, struct err *e) {
  bool starts_row = r->last == '\n';
  size_t length = 0, trimmed = 0;
  int c;

  while ((c = rows_character (r, e)) >= 0 && c != '\n' && c != ':' && !(at_commas && c == ',')) {
    if (starts_row && length == 0 && is_blank (c))
      continue;
    if (length < size - 1)
      text[length] = (char) c;
    length++;
    if (!is_blank (c))
      trimmed = length;
  }
  if (c < -1)
    return -1;
  r->last = c;
  if (c == '\n' || c == -1)
    length = trimmed;
  text[length < size - 1 ? length : size - 1] = '\0';
  return (ssize_t) length;
}

static bool rows_end (const struct rows *r) {
  return r->last == '\n' || r->last == -1;
}

static int rows_skip (struct rows *r, struct err *e) {
  char scrap[2];

  while (!rows_end (r))
    if (rows_field (r, scrap, sizeof scrap, false, e) < 0)
      return -1;
  return 0;
}

bool account_number (const char *text, uint32_t *out) {
  uint64_t value = 0;
  size_t n = 0;

  for (; text[n] >= '0' && text[n] <= '9' && n < 11; n++)
    value = value * 10 + (uint64_t) (text[n] - '0');
  if (n == 0 || text[n] != '\0' || value >= UINT32_MAX)
    return false;
  *out = (uint32_t) value;
  return true;
}

/* ---- users ---- */

/* Reads one row: 1 when it is a row of a user, 0 when not, -1. */
static int read_user (struct rows *r, struct account *a, struct err *e) {
  char scrap[2], uid[16], gid[16];
  ssize_t name, home = 0;

  if ((name = rows_field (r, a->name, sizeof a->name, false, e)) < 0)
    return -1;
  if (rows_end (r))
    return 0;
  if (rows_field (r, scrap, sizeof scrap, false, e) < 0)
    return -1;
  if (rows_end (r))
    return 0;
  if (rows_field (r, uid, sizeof uid, false, e) < 0)
    return -1;
  if (rows_end (r))
    return 0;
  if (rows_field (r, gid, sizeof gid, false, e) < 0)
    return -1;
  if (!rows_end (r) && rows_field (r, scrap, sizeof scrap, false, e) < 0)
    return -1;
  a->home[0] = '\0';
  if (!rows_end (r) && (home = rows_field (r, a->home, sizeof a->home, false, e)) < 0)
    return -1;
  if (rows_skip (r, e) < 0)
    return -1;
  if (name >= ACCOUNT_NAME_MAX)
    a->name[0] = '\0';
  return name > 0 && home < ACCOUNT_HOME_MAX && account_number (uid, &a->uid) && account_number (gid, &a->gid);
}

int accounts_find_user (int root, const char *name, uint32_t uid, struct account *out, struct err *e) {
  struct rows r;

  out->found = false;
  if (rows_open (root, "/etc/passwd", &r, e) < 0)
    return -1;
  auto_fd file = r.fd;
  while (r.last != -1) {
    r.last = '\n';
    int result = read_user (&r, out, e);
    if (result < 0)
      return -1;
    if (result == 1 && (name == NULL ? out->uid == uid : strcmp (out->name, name) == 0)) {
      out->found = true;
      return 0;
    }
  }
  return 0;
}

/* ---- groups ---- */

int group_search_add (struct group_search *s, gid_t gid, struct err *e) {
  /* Doubles do no harm to the kernel; looking for them among thousands would to us. */
  for (uint32_t i = 0; i < s->count && i < 256; i++)
    if (s->groups[i] == gid)
      return 0;
  if (s->count == ACCOUNT_MAX_GROUPS)
    return err_set (e, 0, "cannot set more than %u supplementary groups", ACCOUNT_MAX_GROUPS);
  if (s->count % 64 == 0) {
    gid_t *larger = reallocarray (s->groups, s->count + 64, sizeof *larger);
    if (larger == NULL)
      return err_set (e, ENOMEM, "cannot collect groups");
    s->groups = larger;
  }
  s->groups[s->count++] = gid;
  return 0;
}

/* The members of the row at hand: whether `user` is one. -1 with `e`. */
static int is_member (struct rows *r, const char *user, struct err *e) {
  char member[ACCOUNT_NAME_MAX];
  bool found = false;

  while (r->last == ':' || r->last == ',') {
    ssize_t n = rows_field (r, member, sizeof member, true, e);
    if (n < 0)
      return -1;
    found = found || (n < ACCOUNT_NAME_MAX && user != NULL && user[0] != '\0' && strcmp (member, user) == 0);
    if (r->last == ':')
      return rows_skip (r, e) < 0 ? -1 : found;
  }
  return found;
}

static int group_matches (struct group_search *s, const char *name, uint32_t gid, bool member, bool *wanted,
                          struct err *e) {
  struct strings more = s->more;

  if (!s->found && s->name != NULL && strcmp (name, s->name) == 0) {
    s->found = true;
    s->gid = gid;
  }
  if (member && group_search_add (s, gid, e) < 0)
    return -1;
  for (uint32_t i = 0; i < more.count; i++)
    if (strcmp (take_str (&more.rest), name) == 0 && wanted[i]) {
      wanted[i] = false;
      if (group_search_add (s, gid, e) < 0)
        return -1;
    }
  return 0;
}

static int read_groups (struct rows *r, struct group_search *s, bool *wanted, struct err *e) {
  char name[ACCOUNT_NAME_MAX], scrap[2], number[16];
  uint32_t gid;

  while (r->last != -1) {
    r->last = '\n';
    ssize_t length = rows_field (r, name, sizeof name, false, e);
    if (length < 0)
      return -1;
    if (rows_end (r))
      continue;
    if (rows_field (r, scrap, sizeof scrap, false, e) < 0)
      return -1;
    if (rows_end (r))
      continue;
    if (rows_field (r, number, sizeof number, false, e) < 0)
      return -1;
    int member = is_member (r, s->member, e);
    if (member < 0)
      return -1;
    if (length > 0 && length < ACCOUNT_NAME_MAX && account_number (number, &gid) &&
        group_matches (s, name, gid, member == 1, wanted, e) < 0)
      return -1;
  }
  return 0;
}

/* Numbers need no row. What is all digits is a number, and never looked up as a name. */
static int take_numbers (struct group_search *s, bool *wanted, struct err *e) {
  struct strings more = s->more;
  uint32_t gid;

  for (uint32_t i = 0; i < more.count; i++) {
    const char *text = take_str (&more.rest);
    wanted[i] = text[strspn (text, "0123456789")] != '\0';
    if (wanted[i])
      continue;
    if (!account_number (text, &gid))
      return err_set (e, 0, "cannot add the group \"%s\": it is out of range", text);
    if (group_search_add (s, gid, e) < 0)
      return -1;
  }
  return 0;
}

static bool needs_the_file (const struct group_search *s, const bool *wanted) {
  for (uint32_t i = 0; i < s->more.count; i++)
    if (wanted[i])
      return true;
  return s->name != NULL || (s->member != NULL && s->member[0] != '\0');
}

static int search_groups (int root, struct group_search *s, bool *wanted, struct err *e) {
  struct strings more = s->more;
  struct rows r;

  s->found = false;
  if (take_numbers (s, wanted, e) < 0)
    return -1;
  if (!needs_the_file (s, wanted))
    return 0;
  if (rows_open (root, "/etc/group", &r, e) < 0)
    return -1;
  auto_fd file = r.fd;
  if (read_groups (&r, s, wanted, e) < 0)
    return -1;
  for (uint32_t i = 0; i < more.count; i++) {
    const char *text = take_str (&more.rest);
    if (wanted[i])
      return err_set (e, ENOENT, "Unable to find group %.200s: no matching entries in group file", text);
  }
  return 0;
}

int accounts_find_groups (int root, struct group_search *s, struct err *e) {
  bool *wanted = calloc (s->more.count + 1u, sizeof *wanted);

  if (wanted == NULL)
    return err_set (e, ENOMEM, "cannot collect groups");
  int result = search_groups (root, s, wanted, e);
  free (wanted);
  return result;
}
