#include "check.h"

#include "../src/tree_input.h"
#include "../src/tree_output.h"
#include "../src/tree_tar.h"
#include "../src/tree_write.h"
#include "err.h"
#include "fds.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* What is written, as an archive of one entry, is read back by the reader that images are applied with. */
struct there_and_back {
  struct input in;
  struct tar_reader *reader;
  struct tar_entry entry;
  off_t size;
  int fd;
};

static bool go (struct there_and_back *t, const struct tar_entry *entry, struct err *e) {
  struct output o;
  t->reader = NULL;
  t->in.buffer = NULL;
  t->fd = memfd_create ("archive", MFD_CLOEXEC);
  if (t->fd < 0 || output_open (&o, t->fd, e) < 0)
    return false;
  bool written = tar_write_header (&o, entry, e) == 0 && output_zeros (&o, entry->size < 4096 ? entry->size : 0, e) == 0 &&
                 tar_write_padding (&o, entry->size, e) == 0 && tar_write_end (&o, e) == 0 && output_flush (&o, e) == 0;
  output_close (&o);
  t->size = lseek (t->fd, 0, SEEK_END);
  if (!written || t->size % 512 != 0 || lseek (t->fd, 0, SEEK_SET) < 0 || input_open (&t->in, t->fd, e) < 0)
    return false;
  t->reader = tar_reader_new (&t->in);
  return t->reader != NULL && tar_next (t->reader, &t->entry, e) == 1;
}

static void done (struct there_and_back *t) {
  tar_reader_free (t->reader);
  if (t->in.buffer != NULL)
    input_close (&t->in);
  fd_close (&t->fd);
}

TEST ("a plain entry needs no record") {
  const struct tar_entry entry = {
    .type = TAR_FILE, .name = "etc/motd", .mode = 04755, .uid = 7, .gid = 2097151, .mtime = { 1234567890, 0 }, .size = 5
  };
  struct there_and_back t;
  struct err e = { 0 };
  CHECK (go (&t, &entry, &e) && t.size == 512 * 4);
  CHECK_TEXT (t.entry.name, "etc/motd");
  CHECK (t.entry.type == TAR_FILE && t.entry.mode == 04755 && t.entry.uid == 7 && t.entry.gid == 2097151);
  CHECK (t.entry.mtime.tv_sec == 1234567890 && t.entry.size == 5);
  done (&t);
}

TEST ("what ustar cannot say comes back from records") {
  static const uint8_t VALUE[] = "a\n\0=b";
  const struct tar_xattr xattrs[] = { { "user.one", VALUE, sizeof VALUE }, { "user.two", VALUE, 0 } };
  const struct tar_entry entry = {
    .type = TAR_FILE,
    .name = "\xff\n name",
    .uid = 4294967294,
    .gid = 2097152,
    .mtime = { -2, 750000000 },
    .size = UINT64_C (1) << 33,
    .xattrs = xattrs,
    .xattr_count = 2,
  };
  struct there_and_back t;
  struct err e = { 0 };
  CHECK (go (&t, &entry, &e));
  CHECK_TEXT (t.entry.name, entry.name);
  CHECK (t.entry.uid == 4294967294 && t.entry.gid == 2097152 && t.entry.size == UINT64_C (1) << 33);
  CHECK (t.entry.mtime.tv_sec == -2 && t.entry.mtime.tv_nsec == 750000000);
  CHECK (t.entry.xattr_count == 2 && t.entry.xattrs[0].size == sizeof VALUE && t.entry.xattrs[1].size == 0);
  CHECK (memcmp (t.entry.xattrs[0].value, VALUE, sizeof VALUE) == 0);
  done (&t);
}

TEST ("names and links of every length come back") {
  for (size_t length = 1; length < TAR_MAX_PATH - 1; length += length < 300 ? 1 : 97)
    for (size_t slash = 0; slash < 3; slash++) {
      char name[TAR_MAX_PATH] = { 0 };
      struct there_and_back t;
      struct err e = { 0 };
      memset (name, 'n', length);
      if (slash > 0)
        for (size_t at = slash * 60; at + 1 < length; at += slash * 60)
          name[at] = '/';
      const struct tar_entry link = { .type = TAR_SYMLINK, .name = name, .link = name };
      CHECK (go (&t, &link, &e));
      CHECK_TEXT (t.entry.name, name);
      CHECK_TEXT (t.entry.link, name);
      done (&t);
      const struct tar_entry directory = { .type = TAR_DIRECTORY, .name = name };
      CHECK (go (&t, &directory, &e));
      CHECK (t.entry.type == TAR_DIRECTORY && strlen (t.entry.name) == length + 1 &&
             strncmp (t.entry.name, name, length) == 0 && t.entry.name[length] == '/');
      done (&t);
    }
}

TEST ("devices come back") {
  const struct tar_entry entry = { .type = TAR_BLOCKDEV, .name = "d", .major = 4095, .minor = 1048575 };
  struct there_and_back t;
  struct err e = { 0 };
  CHECK (go (&t, &entry, &e) && t.entry.type == TAR_BLOCKDEV && t.entry.major == 4095 && t.entry.minor == 1048575);
  done (&t);
}

TEST ("an attribute that an archive cannot hold is refused") {
  uint8_t *large = calloc (1, TAR_MAX_RECORDS);
  const struct tar_xattr odd = { "user.a=b", (const uint8_t *) "", 0 }, huge = { "user.large", large, TAR_MAX_RECORDS };
  struct tar_entry entry = { .type = TAR_FILE, .name = "f", .xattrs = &odd, .xattr_count = 1 };
  struct there_and_back t;
  struct err e = { 0 };
  CHECK (large != NULL && !go (&t, &entry, &e) && strstr (e.text, "has a \"=\" in it") != NULL);
  done (&t);
  entry.xattrs = &huge;
  memset (&e, 0, sizeof e);
  CHECK (!go (&t, &entry, &e) && strstr (e.text, "more than an archive can hold") != NULL);
  done (&t);
  free (large);
}

TEST ("a file that became shorter is filled up with zeros, one that became longer is cut") {
  auto_fd file = memfd_create ("file", MFD_CLOEXEC), to = memfd_create ("to", MFD_CLOEXEC);
  struct output o;
  struct err e = { 0 };
  char *bytes = malloc (3 << 20);
  CHECK (bytes != NULL && file >= 0 && to >= 0);
  memset (bytes, 'x', 3 << 20);
  CHECK (write (file, bytes, 1 << 20) == 1 << 20 && lseek (file, 0, SEEK_SET) == 0);
  CHECK (output_open (&o, to, &e) == 0 && output_copy (&o, file, 3 << 20, &e) == 0);
  CHECK (lseek (file, 0, SEEK_SET) == 0 && output_copy (&o, file, 1000, &e) == 0 && output_flush (&o, &e) == 0);
  CHECK (lseek (to, 0, SEEK_END) == (3 << 20) + 1000);
  CHECK (pread (to, bytes, 3 << 20, 1000) == 3 << 20);
  CHECK (bytes[(1 << 20) - 1001] == 'x' && bytes[1 << 20] == 0 && bytes[(3 << 20) - 1001] == 0);
  CHECK (bytes[(3 << 20) - 1] == 'x');
  output_close (&o);
  free (bytes);
}

int main (int argc, char **argv) {
  return run_tests (argc, argv);
}
