#include "tree_fingerprint.h"

#include "err.h"
#include "fds.h"
#include "sha256.h"
#include "tree_open.h"
#include "tree_usage.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

/* The kernel's limits for the names of an inode's attributes, and for a value. */
enum { LIST_BYTES = 64 * 1024, VALUE_BYTES = 64 * 1024, READ_BYTES = 256 * 1024 };
_Static_assert (LIST_BYTES + VALUE_BYTES <= READ_BYTES, "attributes are read into the same buffer");

struct printer {
  struct tree_visitor visitor;
  const volatile int32_t *cancelled;
  uint64_t sum[FINGERPRINT_BYTES / sizeof (uint64_t)];
  char *buffer; /* owned; READ_BYTES */
};

static void add_number (struct sha256 *h, uint64_t n) {
  uint8_t bytes[8];
  for (size_t i = 0; i < sizeof bytes; i++)
    bytes[i] = (uint8_t) (n >> 8 * i);
  sha256_add (h, bytes, sizeof bytes);
}

static void add_text (struct sha256 *h, const char *text, size_t length) {
  add_number (h, length);
  sha256_add (h, text, length);
}

static void add_up (uint64_t sum[FINGERPRINT_BYTES / sizeof (uint64_t)], const uint8_t digest[SHA256_BYTES]) {
  uint64_t lanes[FINGERPRINT_BYTES / sizeof (uint64_t)];
  memcpy (lanes, digest, sizeof lanes);
  for (size_t i = 0; i < sizeof lanes / sizeof *lanes; i++)
    sum[i] += lanes[i];
}

/* In whatever order they are listed: the digests of name and value are added up. */
static int add_attributes (const struct printer *p, struct sha256 *h, int fd, struct err *e) {
  char *names = p->buffer, *value = p->buffer + LIST_BYTES;
  uint64_t sum[FINGERPRINT_BYTES / sizeof (uint64_t)] = { 0 };

  ssize_t length = flistxattr (fd, names, LIST_BYTES);
  if (length < 0)
    return errno == ENOTSUP ? 0 : err_set (e, errno, "cannot list extended attributes");
  for (const char *name = names; name < names + length; name += strlen (name) + 1) {
    struct sha256 one;
    uint8_t digest[SHA256_BYTES];
    ssize_t size = fgetxattr (fd, name, value, VALUE_BYTES);
    if (size < 0)
      return err_set (e, errno, "cannot read extended attribute \"%.100s\"", name);
    sha256_begin (&one);
    add_text (&one, name, strlen (name));
    add_text (&one, value, (size_t) size);
    sha256_end (&one, digest);
    add_up (sum, digest);
  }
  sha256_add (h, sum, sizeof sum);
  return 0;
}

static int add_bytes (const struct printer *p, struct sha256 *h, int fd, struct err *e) {
  for (;;) {
    if (*p->cancelled != 0)
      return err_set (e, ECANCELED, "reading was cancelled");
    ssize_t got = read (fd, p->buffer, READ_BYTES);
    if (got < 0 && errno == EINTR)
      continue;
    if (got < 0)
      return err_set (e, errno, "cannot read");
    if (got == 0)
      return 0;
    sha256_add (h, p->buffer, (size_t) got);
  }
}

static int add_opened (const struct printer *p, struct sha256 *h, int directory, const char *name, const struct stat *st,
                       struct err *e) {
  bool is_directory = S_ISDIR (st->st_mode);
  auto_fd fd = open_entry (directory, name, is_directory ? O_RDONLY | O_DIRECTORY : O_RDONLY | O_NONBLOCK);
  if (fd == -EXDEV)
    return 0; /* a mount */
  if (fd < 0)
    return err_set (e, -fd, "cannot open \"%.200s\"", name);
  if (add_attributes (p, h, fd, e) < 0)
    return -1;
  return is_directory ? 0 : add_bytes (p, h, fd, e);
}

static int add_link (struct sha256 *h, int directory, const char *name, struct err *e) {
  char target[PATH_MAX];
  ssize_t length = readlinkat (directory, name, target, sizeof target);
  if (length < 0)
    return err_set (e, errno, "cannot read link \"%.200s\"", name);
  add_text (h, target, (size_t) length);
  return 0;
}

/* Made by whoever applied the layer, when he did. */
static bool is_whiteout (const struct stat *st) {
  return S_ISCHR (st->st_mode) && st->st_rdev == 0;
}

static int visit (struct tree_visitor *self, int directory, const char *name, const struct stat *st,
                  const uint8_t parent[TREE_KEY_BYTES], uint8_t key[TREE_KEY_BYTES], struct err *e) {
  struct printer *p = (struct printer *) self;
  struct sha256 h;
  uint8_t digest[SHA256_BYTES];
  bool is_directory = S_ISDIR (st->st_mode);

  sha256_begin (&h);
  sha256_add (&h, parent, TREE_KEY_BYTES);
  add_text (&h, name, strlen (name));
  sha256_end (&h, key);

  sha256_begin (&h);
  sha256_add (&h, key, TREE_KEY_BYTES);
  add_number (&h, st->st_mode);
  add_number (&h, st->st_uid);
  add_number (&h, st->st_gid);
  if (!is_directory) {
    add_number (&h, st->st_nlink);
    add_number (&h, st->st_rdev);
  }
  if (!is_directory && !is_whiteout (st)) {
    add_number (&h, (uint64_t) st->st_mtim.tv_sec);
    add_number (&h, (uint64_t) st->st_mtim.tv_nsec);
  }
  int result = 0;
  if (S_ISLNK (st->st_mode))
    result = add_link (&h, directory, name, e);
  else if (is_directory || S_ISREG (st->st_mode))
    result = add_opened (p, &h, directory, name, st, e);
  if (result < 0)
    return -1;
  sha256_end (&h, digest);
  add_up (p->sum, digest);
  return 0;
}

int tree_fingerprint (const char *path, const volatile int32_t *cancelled, uint8_t fingerprint[FINGERPRINT_BYTES],
                      struct err *e) {
  struct tree_usage usage;
  struct printer p = { .visitor.visit = visit, .cancelled = cancelled, .buffer = malloc (READ_BYTES) };
  if (p.buffer == NULL)
    return err_set (e, ENOMEM, "cannot read the tree");
  int result = tree_visit_all (path, cancelled, &p.visitor, &usage, e);
  free (p.buffer);
  memcpy (fingerprint, p.sum, FINGERPRINT_BYTES);
  return result;
}
