/* Bytes on their way to a peer that is not ready for them. Holds no memory while empty. */
#ifndef GANTRY_QUEUE_H
#define GANTRY_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct queue {
  uint8_t *data;
  size_t head, bytes, capacity;
};

/* False when there is no memory; the queue is as before then. */
bool queue_put (struct queue *q, const void *data, size_t size);
void queue_drop (struct queue *q, size_t size);
void queue_clear (struct queue *q);

static inline const uint8_t *queue_front (const struct queue *q) {
  return q->data + q->head;
}

#endif
