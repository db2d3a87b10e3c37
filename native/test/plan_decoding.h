/* Plans that plan_decode() is to take, or to refuse with the right words. */
#ifndef GANTRY_PLAN_DECODING_H
#define GANTRY_PLAN_DECODING_H

#include <linux/sched.h>
#include <sys/mount.h>

#include "check.h"
#include "plan_builder.h"

#define NEW_ALL (CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET)

static struct err refusal;

/* Decodes from a buffer of exactly the plan's size, so that the sanitizer sees every byte too far. */
static inline bool accepts_bytes (const uint8_t *bytes, size_t size) {
  struct plan p;
  uint8_t *exact = malloc (size + (size == 0));

  memcpy (exact, bytes, size);
  refusal = (struct err){ 0 };
  int result = plan_decode (exact, size, &p, &refusal);
  if (result == 0)
    plan_release (&p);
  free (exact);
  return result == 0;
}

static inline bool accepts (struct builder *b) {
  end_plan (b);
  bool result = accepts_bytes (b->bytes, b->size);
  free (b->bytes);
  return result;
}

static inline void finish (struct builder *b) {
  put_exec (b, STRV ("sh"), STRV ("A=1"), "/bin");
}

static inline void put_some_root (struct builder *b) {
  put_op (b, OP_PROPAGATION, 0);
  put_u64 (b, MS_SLAVE);
  put_texts (b, OP_ROOT_BIND, 0, "/source", "/staging");
  put_u32 (b, IDMAP_NONE);
}

static inline void put_some_pivot (struct builder *b) {
  put_op (b, OP_PIVOT, 0);
  put_u32 (b, 0);
}

#define CHECK_REFUSED(builder, why)                                                                                    \
  do {                                                                                                                 \
    CHECK (!accepts (builder));                                                                                        \
    CHECK_TEXT (refusal.text, why);                                                                                    \
  } while (0)

#endif
