/* Whatever bytes come, answer_decode() reads within them; and what it accepts can be taken apart, as the launcher does. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "../launcher/answer.c"
#include "fuzz.h"
#include "plan_builder.h"
#include "resident.h"

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size) {
  struct answer a;
  size_t seen = 0;

  if (!answer_decode (data, size, &a))
    return 0;
  for (uint32_t i = 0; i < a.write_count; i++) {
    struct answer_write w = answer_next_write (&a);
    if ((w.target == RESIDENT_FILE) != (w.file[0] == '/') || w.target < RESIDENT_OUTPUT || w.target > RESIDENT_FILE)
      abort ();
    for (uint32_t b = 0; b < w.bytes.size; b++)
      seen += w.bytes.data[b] + 1u;
  }
  for (uint32_t i = 0; i < a.argv.count; i++)
    seen += strlen (take_str (&a.argv.rest));
  if (a.argv.rest.bad || a.writes.bad || (a.end == RESIDENT_YOURSELF && seen > 0))
    abort ();
  return 0;
}

size_t fuzz_seed (unsigned n, uint8_t *out, size_t room) {
  struct builder b = { 0 };

  put_u32 (&b, RESIDENT_ANSWER);
  put_u32 (&b, n == 0 ? 3 : 0);
  for (uint32_t target = RESIDENT_OUTPUT; n == 0 && target <= RESIDENT_FILE; target++) {
    put_u32 (&b, target);
    put_str (&b, target == RESIDENT_FILE ? "/log" : "");
    put_blob (&b, "text\n", 5);
  }
  put_u32 (&b, n == 0 ? RESIDENT_EXIT : n == 1 ? RESIDENT_BECOME : RESIDENT_YOURSELF);
  put_u32 (&b, n == 0 ? 255 : n == 1 ? 2 : 0);
  put_strv (&b, n == 1 ? STRV ("gantry-shim", "oci", "run") : STRV ());
  size_t size = n > 2 || b.size > room ? 0 : b.size;
  memcpy (out, b.bytes, size);
  free (b.bytes);
  return size;
}
