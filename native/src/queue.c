#include "queue.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY 256u

bool queue_put (struct queue *q, const void *data, size_t size) {
  if (size == 0)
    return true;
  if (q->head > 0 && q->head + q->bytes + size > q->capacity) {
    memmove (q->data, q->data + q->head, q->bytes);
    q->head = 0;
  }
  if (q->bytes + size > q->capacity) {
    size_t capacity = q->capacity != 0 ? q->capacity : FIRST_CAPACITY;
    while (capacity < q->bytes + size)
      capacity *= 2;
    uint8_t *bigger = realloc (q->data, capacity);
    if (bigger == NULL)
      return false;
    q->data = bigger;
    q->capacity = capacity;
  }
  memcpy (q->data + q->head + q->bytes, data, size);
  q->bytes += size;
  return true;
}

void queue_drop (struct queue *q, size_t size) {
  q->head += size;
  q->bytes -= size;
  if (q->bytes == 0)
    queue_clear (q);
}

void queue_clear (struct queue *q) {
  free (q->data);
  *q = (struct queue){ 0 };
}
