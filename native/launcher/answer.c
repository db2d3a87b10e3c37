#include "answer.h"

#include "resident.h"

static struct answer_write take_write (struct fields *f) {
  struct answer_write w = { .target = take_u32 (f) };

  w.file = take_str (f);
  w.bytes = take_blob (f);
  return w;
}

static bool is_write (const struct answer_write *w) {
  return w->target == RESIDENT_FILE ? w->file[0] == '/'
                                    : (w->target == RESIDENT_OUTPUT || w->target == RESIDENT_ERRORS) && *w->file == '\0';
}

static bool is_end (const struct answer *a) {
  switch (a->end) {
  case RESIDENT_EXIT:
    return a->value <= 255 && a->argv.count == 0;
  case RESIDENT_BECOME:
    return a->value <= RESIDENT_MAX_PRESERVED && a->argv.count > 0;
  case RESIDENT_YOURSELF:
    return a->value == 0 && a->argv.count == 0 && a->write_count == 0;
  default:
    return false;
  }
}

bool answer_decode (const void *bytes, size_t size, struct answer *answer) {
  struct fields f = fields_of (bytes, size);

  if (take_u32 (&f) != RESIDENT_ANSWER)
    return false;
  answer->write_count = take_u32 (&f);
  if (f.bad || answer->write_count > RESIDENT_MAX_WRITES)
    return false;
  answer->writes = f;
  for (uint32_t i = 0; i < answer->write_count; i++) {
    struct answer_write w = take_write (&f);
    if (f.bad || !is_write (&w))
      return false;
  }
  answer->end = take_u32 (&f);
  answer->value = take_u32 (&f);
  answer->argv = take_strv (&f);
  return fields_complete (&f) && is_end (answer);
}

struct answer_write answer_next_write (struct answer *answer) {
  return take_write (&answer->writes);
}
