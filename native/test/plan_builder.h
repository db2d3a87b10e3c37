/* Builds plans for tests, field by field as plan.h writes them. */
#ifndef GANTRY_PLAN_BUILDER_H
#define GANTRY_PLAN_BUILDER_H

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "kernel.h"
#include "plan.h"

/* What an exec joins of a container that shares nothing with the host. */
#define JOIN_ALL (CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP | CLONE_NEWPID)

struct builder {
  uint8_t *bytes;
  size_t size, room;
  size_t op; /* where the open op starts, 0 when there is none */
  uint32_t ops, clone_flags, flags;
};

static inline void put_bytes (struct builder *b, const void *data, size_t size) {
  if (b->size + size > b->room) {
    b->room = (b->size + size) * 2 + 256;
    b->bytes = realloc (b->bytes, b->room);
    assert (b->bytes != NULL);
  }
  if (size > 0)
    memcpy (b->bytes + b->size, data, size);
  b->size += size;
}

static inline void put_u16 (struct builder *b, uint16_t v) {
  put_bytes (b, (uint8_t[]){ (uint8_t) v, (uint8_t) (v >> 8) }, 2);
}

static inline void put_u32 (struct builder *b, uint32_t v) {
  put_u16 (b, (uint16_t) v);
  put_u16 (b, (uint16_t) (v >> 16));
}

static inline void put_u64 (struct builder *b, uint64_t v) {
  put_u32 (b, (uint32_t) v);
  put_u32 (b, (uint32_t) (v >> 32));
}

static inline void put_str (struct builder *b, const char *s) {
  put_u32 (b, (uint32_t) strlen (s));
  put_bytes (b, s, strlen (s) + 1);
}

static inline void put_blob (struct builder *b, const void *data, size_t size) {
  put_u32 (b, (uint32_t) size);
  put_bytes (b, data, size);
}

/* Entries up to a NULL. */
static inline void put_strv (struct builder *b, const char *const *entries) {
  uint32_t count = 0;

  while (entries[count] != NULL)
    count++;
  put_u32 (b, count);
  for (uint32_t i = 0; i < count; i++)
    put_str (b, entries[i]);
}

#define STRV(...) ((const char *const[]){ __VA_ARGS__ __VA_OPT__ (, ) NULL })

static inline void poke_u32 (struct builder *b, size_t at, uint32_t v) {
  uint8_t bytes[4] = { (uint8_t) v, (uint8_t) (v >> 8), (uint8_t) (v >> 16), (uint8_t) (v >> 24) };
  memcpy (b->bytes + at, bytes, 4);
}

static inline void begin_plan (struct builder *b, uint32_t clone_flags, uint32_t flags) {
  static const uint8_t header[PLAN_HEADER_BYTES];

  *b = (struct builder){ .clone_flags = clone_flags, .flags = flags };
  put_bytes (b, header, sizeof header);
}

static inline void end_op (struct builder *b) {
  if (b->op != 0)
    poke_u32 (b, b->op + 4, (uint32_t) (b->size - b->op - 8));
  b->op = 0;
}

/* Opens an op; its fields follow with put_*. */
static inline void put_op (struct builder *b, uint16_t kind, uint16_t flags) {
  end_op (b);
  b->op = b->size;
  b->ops++;
  put_u16 (b, kind);
  put_u16 (b, flags);
  put_u32 (b, 0);
}

static inline void end_plan (struct builder *b) {
  end_op (b);
  poke_u32 (b, 0, PLAN_MAGIC);
  poke_u32 (b, 4, (uint32_t) b->size);
  poke_u32 (b, 8, b->ops);
  poke_u32 (b, 12, b->clone_flags);
  poke_u32 (b, 16, b->flags);
}

static inline void put_exec (struct builder *b, const char *const *argv, const char *const *env,
                             const char *search_path) {
  put_op (b, OP_EXEC, 0);
  put_strv (b, argv);
  put_strv (b, env);
  put_str (b, search_path);
}

static inline void put_mount (struct builder *b, const char *fstype, const char *target, const char *const *options,
                              uint64_t attrs, uint16_t flags) {
  put_op (b, OP_MOUNT, flags);
  put_str (b, fstype);
  put_str (b, fstype);
  put_str (b, target);
  put_strv (b, options);
  put_u64 (b, attrs);
  put_u64 (b, 0);
  put_u32 (b, 0);
  put_u32 (b, IDMAP_NONE);
}

static inline void put_bind (struct builder *b, const char *source, const char *target, uint64_t attrs,
                             uint16_t flags) {
  put_op (b, OP_BIND, flags);
  put_str (b, source);
  put_str (b, target);
  put_u64 (b, attrs);
  for (int i = 0; i < 4; i++)
    put_u64 (b, 0);
  put_u32 (b, IDMAP_NONE);
  put_str (b, "");
}

static inline void put_device (struct builder *b, const char *path, uint32_t major, uint32_t minor) {
  put_op (b, OP_DEVICE, 0);
  put_str (b, path);
  put_u32 (b, 'c');
  put_u32 (b, major);
  put_u32 (b, minor);
  put_u32 (b, 0666);
  put_u32 (b, 0);
  put_u32 (b, 0);
}

static inline void put_text (struct builder *b, uint16_t kind, uint16_t flags, const char *text) {
  put_op (b, kind, flags);
  put_str (b, text);
}

static inline void put_texts (struct builder *b, uint16_t kind, uint16_t flags, const char *first, const char *second) {
  put_text (b, kind, flags, first);
  put_str (b, second);
}

#endif
