/* Directories of an image. Each of them names its parent and its children by address, so all get their places first. */
#include "erofs_inodes.h"

#include "err.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* One name in a directory as it will be written: a child, or "." or "..". */
struct line {
  const char *text;
  size_t size;
  const struct inode *inode;
};

/* What one directory after the other needs; grown to the largest. */
struct scratch {
  struct line *lines; /* owned */
  size_t count, room;
  uint8_t *bytes; /* owned */
  size_t byte_room;
};

static bool is_before (const char *a, size_t a_size, const char *b, size_t b_size) {
  int order = memcmp (a, b, a_size < b_size ? a_size : b_size);
  return order != 0 ? order < 0 : a_size < b_size;
}

static struct name *merge (struct name *a, struct name *b) {
  struct name *sorted = NULL, **end = &sorted;
  while (a != NULL && b != NULL) {
    struct name **least = is_before (a->text, a->size, b->text, b->size) ? &a : &b;
    *end = *least;
    end = &(*end)->next;
    *least = *end;
  }
  *end = a != NULL ? a : b;
  return sorted;
}

/* By merging; run n has been merged of 2^n names. What is gone is left out. */
static struct name *sort (struct name *names) {
  struct name *runs[64] = { NULL }, *sorted = NULL;
  for (struct name *n = names, *next; n != NULL; n = next) {
    size_t run = 0;
    next = n->next;
    if (n->gone)
      continue;
    n->next = NULL;
    for (; runs[run] != NULL; run++) {
      n = merge (runs[run], n);
      runs[run] = NULL;
    }
    runs[run] = n;
  }
  for (size_t run = 0; run < 64; run++)
    sorted = merge (runs[run], sorted);
  return sorted;
}

static int add_line (struct scratch *s, const char *text, size_t size, const struct inode *inode, struct err *e) {
  if (s->count == s->room) {
    size_t room = s->room == 0 ? 256 : 2 * s->room;
    struct line *grown = reallocarray (s->lines, room, sizeof *grown);
    if (grown == NULL)
      return err_set (e, ENOMEM, "cannot sort a directory");
    s->lines = grown;
    s->room = room;
  }
  s->lines[s->count++] = (struct line) { text, size, inode };
  return 0;
}

/* The names are sorted, and among them stand the two that every directory has. */
static int list_names (struct scratch *s, const struct inode *directory, struct err *e) {
  static const char dots[] = "..";
  size_t dot = 1;
  s->count = 0;
  for (const struct name *n = directory->names; n != NULL || dot <= 2;) {
    bool is_dot = dot <= 2 && (n == NULL || is_before (dots, dot, n->text, n->size));
    if (add_line (s, is_dot ? dots : n->text, is_dot ? dot : n->size,
                  !is_dot ? n->inode : dot == 1 ? directory : directory->parent, e) < 0)
      return -1;
    if (is_dot)
      dot++;
    else
      n = n->next;
  }
  return 0;
}

/* How many lines fit in the block that begins with line `first`, and how many bytes they need. */
static size_t fill_block (const struct scratch *s, size_t first, size_t *bytes) {
  size_t at = first;
  for (*bytes = 0; at < s->count; at++) {
    size_t more = sizeof (struct erofs_entry) + s->lines[at].size;
    if (*bytes + more > EROFS_BLOCK)
      break;
    *bytes += more;
  }
  return at - first;
}

static uint64_t size_of (const struct scratch *s) {
  uint64_t before = 0;
  for (size_t at = 0, bytes;; before += EROFS_BLOCK) {
    at += fill_block (s, at, &bytes);
    if (at == s->count)
      return before + bytes;
  }
}

/* ---- first: places ---- */

static int place (struct image *image, struct scratch *s, struct inode *d, bool is_root, struct err *e) {
  size_t head = sizeof (struct erofs_inode) + attributes_size (&d->attributes);
  uint64_t first = 0;
  bool is_inline;

  d->names = sort (d->names);
  if (list_names (s, d, e) < 0)
    return -1;
  d->size = size_of (s);
  size_t tail = d->size & (EROFS_BLOCK - 1);
  if (is_root) {
    d->at = EROFS_ROOT_AT;
    if (EROFS_ROOT_AT + head > EROFS_BLOCK)
      return err_set (e, E2BIG, "cannot give the root so many attributes");
    is_inline = tail > 0 && EROFS_ROOT_AT + head + tail <= EROFS_BLOCK;
  } else if (image_inode (image, head, tail, &d->at, &is_inline, e) < 0)
    return -1;
  d->layout = is_inline ? EROFS_INLINE : EROFS_PLAIN;
  d->behind = is_inline ? (uint32_t) tail : 0;
  uint64_t count = (d->size - d->behind + EROFS_BLOCK - 1) >> EROFS_BLOCK_BITS;
  if (count > 0 && image_blocks (image, count, &first, e) < 0)
    return -1;
  d->block = count > 0 ? (uint32_t) first : 0;
  return 0;
}

/* ---- then: what is in them ---- */

static uint8_t type_of (const struct inode *i) {
  switch (i->mode & S_IFMT) {
  case S_IFREG:
    return EROFS_FILE;
  case S_IFDIR:
    return EROFS_DIRECTORY;
  case S_IFCHR:
    return EROFS_CHAR;
  case S_IFBLK:
    return EROFS_BLOCKDEV;
  case S_IFIFO:
    return EROFS_FIFO;
  default:
    return EROFS_SYMLINK;
  }
}

static void encode_block (uint8_t *block, const struct line *lines, size_t count) {
  size_t name_at = count * sizeof (struct erofs_entry);
  for (size_t i = 0; i < count; i++) {
    struct erofs_entry entry = {
      .nid = htole64 (lines[i].inode->at / EROFS_SLOT),
      .name_at = htole16 ((uint16_t) name_at),
      .type = type_of (lines[i].inode),
    };
    memcpy (block + i * sizeof entry, &entry, sizeof entry);
    memcpy (block + name_at, lines[i].text, lines[i].size);
    name_at += lines[i].size;
  }
}

static int encode (struct scratch *s, const struct inode *d, struct err *e) {
  size_t bytes, at = 0, whole = ((size_t) d->size + EROFS_BLOCK - 1) & ~(size_t) (EROFS_BLOCK - 1);
  if (list_names (s, d, e) < 0)
    return -1;
  if (whole > s->byte_room) {
    free (s->bytes);
    s->byte_room = (s->bytes = malloc (whole)) == NULL ? 0 : whole;
    if (s->bytes == NULL)
      return err_set (e, ENOMEM, "cannot write a directory");
  }
  memset (s->bytes, 0, whole);
  for (uint8_t *block = s->bytes; at < s->count; block += EROFS_BLOCK) {
    size_t count = fill_block (s, at, &bytes);
    encode_block (block, s->lines + at, count);
    at += count;
  }
  return 0;
}

static int store (struct image *image, struct scratch *s, const struct inode *d, struct err *e) {
  if (encode (s, d, e) < 0)
    return -1;
  size_t before = (size_t) d->size - d->behind;
  if (before > 0 && image_write (image, (uint64_t) d->block << EROFS_BLOCK_BITS, s->bytes, before, e) < 0)
    return -1;
  return inode_store (image, d, s->bytes + before, d->behind, e);
}

/* The root's block is written last, with the superblock in front. */
static int store_root (struct image *image, struct scratch *s, const struct tree *t, struct err *e) {
  uint8_t first[EROFS_BLOCK] = { 0 };
  struct image block = { .fd = -1, .packing = 1 };
  struct inode root = *t->root;
  size_t before = (size_t) root.size - root.behind;

  if (encode (s, t->root, e) < 0)
    return -1;
  if (before > 0 && image_write (image, (uint64_t) root.block << EROFS_BLOCK_BITS, s->bytes, before, e) < 0)
    return -1;
  root.at += EROFS_BLOCK; /* as if it were the block of inodes that is not full yet */
  if (inode_store (&block, &root, s->bytes + before, root.behind, e) < 0)
    return -1;
  memcpy (first, block.pack, sizeof first);
  return image_finish (image, t->name_count + 1, first, e);
}

/* All directories below the root, each behind the one that it is in. */
struct queue {
  struct inode **items; /* owned */
  size_t count, room;
};

static int push (struct queue *q, struct inode *directory, struct err *e) {
  if (q->count == q->room) {
    size_t room = q->room == 0 ? 256 : 2 * q->room;
    struct inode **grown = reallocarray (q->items, room, sizeof *grown);
    if (grown == NULL)
      return err_set (e, ENOMEM, "cannot list the directories");
    q->items = grown;
    q->room = room;
  }
  q->items[q->count++] = directory;
  return 0;
}

static int look_at_names (struct queue *q, struct image *image, const struct inode *directory, struct err *e) {
  for (struct name *n = directory->names; n != NULL; n = n->next) {
    if (n->gone)
      continue;
    if (S_ISDIR (n->inode->mode) && push (q, n->inode, e) < 0)
      return -1;
    if (n->inode->lost_a_link && inode_store (image, n->inode, NULL, 0, e) < 0)
      return -1;
    n->inode->lost_a_link = false;
  }
  return 0;
}

static int list_directories (struct queue *q, struct image *image, struct inode *root, struct err *e) {
  if (push (q, root, e) < 0)
    return -1;
  for (size_t i = 0; i < q->count; i++)
    if (look_at_names (q, image, q->items[i], e) < 0)
      return -1;
  return 0;
}

int directories_place (struct image *image, struct tree *t, struct err *e) {
  struct queue q = { 0 };
  struct scratch s = { 0 };
  int result = list_directories (&q, image, t->root, e);
  for (size_t i = 0; result == 0 && i < q.count; i++)
    result = place (image, &s, q.items[i], i == 0, e);
  for (size_t i = 1; result == 0 && i < q.count; i++)
    result = store (image, &s, q.items[i], e);
  if (result == 0)
    result = store_root (image, &s, t, e);
  free (q.items);
  free (s.lines);
  free (s.bytes);
  return result;
}
