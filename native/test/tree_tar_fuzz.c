/* The archive reader on archives that lie: it may refuse, it may not misread. */
#include "err.h"
#include "tree_archive.h"
#include "../src/tree_input.h"
#include "../src/tree_number.h"
#include "../src/tree_path.h"
#include "../src/tree_tar.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

#define EXPECT(condition) ((condition) ? (void) 0 : abort ())

static void check_path (const char *name) {
  char path[TAR_MAX_PATH], shown[100];
  size_t length = strlen (name);
  EXPECT (length < TAR_MAX_PATH);
  memcpy (path, name, length + 1);
  struct clean_path clean = path_clean (path);
  EXPECT (path[0] != '/' && strlen (path) <= length);
  EXPECT ((clean.depth == 0) == (path[0] == 0));
  size_t depth = 0;
  for (const char *at = path; *at != 0;) {
    size_t part = strcspn (at, "/");
    EXPECT (part > 0 && !(part == 1 && at[0] == '.') && !(part == 2 && at[0] == '.' && at[1] == '.'));
    depth++;
    at += part + (at[part] == '/');
  }
  EXPECT (depth == clean.depth);
  path_escape (shown, sizeof shown, name);
  for (const char *at = shown; *at != 0; at++)
    EXPECT (*at >= ' ' && *at < 0x7f && *at != '"');
}

static void check_entry (const struct tar_entry *entry) {
  check_path (entry->name);
  check_path (entry->link);
  EXPECT (entry->mode <= 07777 && entry->uid != UINT32_MAX && entry->gid != UINT32_MAX);
  EXPECT (entry->mtime.tv_nsec >= 0 && entry->mtime.tv_nsec < 1000000000);
  EXPECT (entry->atime.tv_nsec >= 0 && entry->atime.tv_nsec < 1000000000);
  EXPECT (entry->size <= INT64_MAX && (entry->type == TAR_FILE || entry->size == 0));
  EXPECT (entry->major < 1 << 12 && entry->minor < 1 << 20);
  for (size_t i = 0; i < entry->xattr_count; i++) {
    EXPECT (entry->xattrs[i].value[entry->xattrs[i].size] == 0); /* readable to its end and one further */
    EXPECT (strlen (entry->xattrs[i].name) < TAR_MAX_RECORDS);
  }
}

static void read_archive (const uint8_t *archive, size_t size, int out) {
  /* Exactly as long as the archive, so that reading over its end is seen. */
  struct input in = { .fd = -1, .buffer = malloc (size), .capacity = size, .end = size, .ended = true };
  struct err e;
  struct tar_entry entry;
  struct tar_reader *reader = tar_reader_new (&in);
  EXPECT (in.buffer != NULL && reader != NULL);
  memcpy (in.buffer, archive, size);
  int copied = 0;
  while (copied == 0 && tar_next (reader, &entry, &e) > 0) {
    check_entry (&entry);
    EXPECT (tar_header_position (reader) % TAR_BLOCK == 0 && tar_header_position (reader) < size);
    if (entry.type == TAR_FILE && entry.size < 1 << 20) {
      EXPECT (ftruncate (out, 0) == 0 && lseek (out, 0, SEEK_SET) == 0);
      copied = tar_copy_body (reader, out, &e);
      EXPECT (copied < 0 || lseek (out, 0, SEEK_END) == (off_t) entry.size);
    }
  }
  tar_reader_free (reader);
  input_close (&in);
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size) {
  static uint8_t archive[64 << 10];
  static int out = -1;
  if (out < 0)
    out = memfd_create ("body", MFD_CLOEXEC);
  size_t used = make_archive (data, size, archive, sizeof archive);
  if (used > 0)
    read_archive (archive, used, out);
  if (size > 0)
    read_archive (data, size, out);
  return 0;
}
