/* Getting a head start on a sync that will come: what is written goes to the disk while the rest is still on its way, so that
 * the sync finds little to do. It promises nothing (sync_file_range(2)), hence a failure is nobody's business: the sync, which
 * is to follow, tells it. */
#ifndef GANTRY_WRITEBACK_H
#define GANTRY_WRITEBACK_H

#include <fcntl.h>
#include <stdint.h>

enum {
  WRITEBACK_BYTES = 4 << 20,       /* of a file that grows: worth a call of its own */
  WRITEBACK_FILE_BYTES = 128 << 10 /* of a file that is complete: smaller ones are better off together, when all are there */
};

/* `bytes` from `from` on; 0 = up to the end. */
static inline void writeback_start (int fd, uint64_t from, uint64_t bytes) {
  (void) sync_file_range (fd, (off_t) from, (off_t) bytes, SYNC_FILE_RANGE_WRITE);
}

#endif
