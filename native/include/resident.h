/* What the launcher of gantry-runc and a resident compiler (`gantry-runc serve`, src/runc/resident) say to each other over a
 * unix stream socket. The launcher tells nothing of itself but which of its descriptors the connection is: what it was started
 * with, where and with which rights the other side reads below /proc. Encoding as in plan.h.
 *
 *     launcher                                     resident
 *     u32 RESIDENT_HELLO, u32 descriptor     ->
 *                                            <-    READY, only when the next step changes something on the host
 *     u32 RESIDENT_GO                        ->
 *                                            <-    ANSWER, with the executable and the plan for RESIDENT_BECOME
 *
 * Each message of the resident is u32 size, then that many bytes, the first four being its kind. A launcher that has not said
 * GO may turn away at any moment and do the work itself; one that has said it waits for the answer or for the end of the
 * connection, and may do the work itself then, too: what was begun in its name is recognised by its process id and start.
 *
 *     READY     nothing
 *     ANSWER    u32 count of writes; for each u32 target, str file ("" unless target is RESIDENT_FILE), blob bytes
 *               u32 end, u32 value, strv argv
 *                   RESIDENT_EXIT       value: the exit code
 *                   RESIDENT_BECOME     value: how many descriptors from 3 up stay open; the plan, if any, goes behind them
 *                   RESIDENT_YOURSELF   not for the resident: the writes are none */
#ifndef GANTRY_RESIDENT_H
#define GANTRY_RESIDENT_H

#define RESIDENT_SOCKET "/run/gantry-runc/~serve.sock"
#define RESIDENT_VARIABLE "GANTRY_RUNC_SOCKET" /* another path; empty: none */

#define RESIDENT_HELLO 0x31637267u /* "grc1" */
#define RESIDENT_GO 0x6f67u

#define RESIDENT_READY 1u
#define RESIDENT_ANSWER 2u

#define RESIDENT_OUTPUT 1u
#define RESIDENT_ERRORS 2u
#define RESIDENT_FILE 3u

#define RESIDENT_EXIT 1u
#define RESIDENT_BECOME 2u
#define RESIDENT_YOURSELF 3u

#define RESIDENT_MAX_BYTES (64u << 10)
#define RESIDENT_MAX_WRITES 256u
#define RESIDENT_MAX_PRESERVED 65536u

/* To be answered at all, and to end what was begun: deleting may wait for processes. */
#define RESIDENT_ANSWER_MS 1000
#define RESIDENT_WORK_MS 60000

#endif
