/* Whatever bytes come, forward_plan_decode() reads within them; and what it accepts has limits and targets that can be used. */
#include <stdlib.h>

#include "forward.h"
#include "fuzz.h"
#include "plan_builder.h"

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size) {
  struct forward_plan plan;
  struct err e;

  if (forward_plan_decode (data, size, &plan, &e) < 0)
    return 0;
  if (plan.count == 0 || plan.count > FORWARD_MAX_ENTRIES || plan.max_connections == 0 || plan.max_flows == 0)
    abort ();
  for (uint32_t i = 0; i < plan.count; i++)
    if (plan.entries[i].target.v4.sin_port == 0 || address_size (&plan.entries[i].target) < sizeof (struct sockaddr_in))
      abort ();
  forward_plan_release (&plan);
  return 0;
}

size_t fuzz_seed (unsigned n, uint8_t *out, size_t room) {
  static const uint8_t address[16] = { 127, 0, 0, 1 };
  struct builder b = { 0 };

  if (n > 2)
    return 0;
  put_u32 (&b, FORWARD_MAGIC);
  for (uint32_t limit = 1; limit <= 6; limit++)
    put_u32 (&b, limit);
  put_u32 (&b, n + 1);
  for (unsigned i = 0; i <= n; i++) {
    put_u32 (&b, i % 2 == 0 ? IPPROTO_TCP : IPPROTO_UDP);
    put_u32 (&b, 4 + i);
    put_u32 (&b, 80);
    put_blob (&b, address, i % 2 == 0 ? 4 : 16);
  }
  size_t size = b.size < room ? b.size : 0;
  memcpy (out, b.bytes, size);
  free (b.bytes);
  return size;
}
