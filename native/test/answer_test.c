/* The launcher's reading of an answer: what src/runc/resident/answer.ts writes, and what nobody should. */
#include "../launcher/answer.c"
#include "check.h"
#include "plan_builder.h"

#include "resident.h"

struct wanted {
  uint32_t kind, target, end, value;
  const char *file, *const *argv;
};

static bool decode (const struct wanted *w, struct builder *b, struct answer *a) {
  *b = (struct builder){ 0 };
  put_u32 (b, w->kind);
  put_u32 (b, w->target == 0 ? 0 : 1);
  if (w->target != 0) {
    put_u32 (b, w->target);
    put_str (b, w->file);
    put_blob (b, "hello", 5);
  }
  put_u32 (b, w->end);
  put_u32 (b, w->value);
  put_strv (b, w->argv);
  return answer_decode (b->bytes, b->size, a);
}

#define NOTHING STRV ()
#define PROGRAM STRV ("gantry-shim", "oci")

static bool accepts (struct wanted w) {
  struct builder b;
  struct answer a;
  bool is = decode (&w, &b, &a);
  free (b.bytes);
  return is;
}

TEST ("an answer that writes and ends is taken apart") {
  struct wanted w = { RESIDENT_ANSWER, RESIDENT_FILE, RESIDENT_EXIT, 7, "/log", NOTHING };
  struct builder b;
  struct answer a;
  CHECK (decode (&w, &b, &a));
  struct answer_write first = answer_next_write (&a);
  CHECK_TEXT (first.file, "/log");
  CHECK (first.bytes.size == 5 && memcmp (first.bytes.data, "hello", 5) == 0);
  CHECK (a.end == RESIDENT_EXIT && a.value == 7);
  free (b.bytes);
}

TEST ("an answer to become another program has its arguments") {
  struct wanted w = { RESIDENT_ANSWER, 0, RESIDENT_BECOME, 2, "", PROGRAM };
  struct builder b;
  struct answer a;
  CHECK (decode (&w, &b, &a));
  CHECK (a.argv.count == 2);
  CHECK_TEXT (take_str (&a.argv.rest), "gantry-shim");
  CHECK_TEXT (take_str (&a.argv.rest), "oci");
  free (b.bytes);
}

TEST ("each kind of answer is accepted in its own form alone") {
  CHECK (accepts ((struct wanted){ RESIDENT_ANSWER, 0, RESIDENT_YOURSELF, 0, "", NOTHING }));
  CHECK (accepts ((struct wanted){ RESIDENT_ANSWER, RESIDENT_ERRORS, RESIDENT_EXIT, 255, "", NOTHING }));
  CHECK (!accepts ((struct wanted){ RESIDENT_READY, 0, RESIDENT_EXIT, 0, "", NOTHING }));
  CHECK (!accepts ((struct wanted){ RESIDENT_ANSWER, 0, RESIDENT_EXIT, 256, "", NOTHING }));
  CHECK (!accepts ((struct wanted){ RESIDENT_ANSWER, 0, RESIDENT_EXIT, 0, "", PROGRAM }));
  CHECK (!accepts ((struct wanted){ RESIDENT_ANSWER, 0, RESIDENT_BECOME, 0, "", NOTHING }));
  CHECK (!accepts ((struct wanted){ RESIDENT_ANSWER, 0, RESIDENT_BECOME, RESIDENT_MAX_PRESERVED + 1, "", PROGRAM }));
  CHECK (!accepts ((struct wanted){ RESIDENT_ANSWER, 0, 4, 0, "", NOTHING }));
  CHECK (!accepts ((struct wanted){ RESIDENT_ANSWER, RESIDENT_OUTPUT, RESIDENT_YOURSELF, 0, "", NOTHING }));
}

TEST ("a write goes to a stream or to an absolute path") {
  CHECK (!accepts ((struct wanted){ RESIDENT_ANSWER, RESIDENT_FILE, RESIDENT_EXIT, 0, "log", NOTHING }));
  CHECK (!accepts ((struct wanted){ RESIDENT_ANSWER, RESIDENT_FILE, RESIDENT_EXIT, 0, "", NOTHING }));
  CHECK (!accepts ((struct wanted){ RESIDENT_ANSWER, RESIDENT_OUTPUT, RESIDENT_EXIT, 0, "/log", NOTHING }));
  CHECK (!accepts ((struct wanted){ RESIDENT_ANSWER, 4, RESIDENT_EXIT, 0, "", NOTHING }));
}

TEST ("an answer that ends early, or goes on, is none") {
  struct wanted w = { RESIDENT_ANSWER, RESIDENT_OUTPUT, RESIDENT_BECOME, 1, "", PROGRAM };
  struct builder b;
  struct answer a;
  CHECK (decode (&w, &b, &a));
  for (size_t size = 0; size < b.size; size++)
    CHECK (!answer_decode (b.bytes, size, &a));
  put_u32 (&b, 0);
  CHECK (!answer_decode (b.bytes, b.size, &a));
  free (b.bytes);
}

int main (int argc, char **argv) {
  return run_tests (argc, argv);
}
