/* What the command `gantry` (native/client) and a resident client (src/resident) say to each other over a unix stream socket:
 * docs/decisions/0017. What the command was started with, where and with which rights the other side reads below /proc. Numbers are
 * little-endian.
 *
 *     command                                      resident
 *     u32 CLIENT_HELLO                       ->
 *                                            <-    READY: it is able to, and has done nothing yet
 *     u32 CLIENT_GO                          ->
 *                                            <-    OUTPUT, ERRORS, SIGNALS as they come
 *     u32 signal, for each that arrives      ->
 *                                            <-    EXIT
 *
 * Each message of the resident is u32 kind, u32 size, then that many bytes:
 *
 *     READY      nothing
 *     OUTPUT     at most CLIENT_MAX_BYTES for standard output
 *     ERRORS     the same for standard error
 *     SIGNALS    u64: bit n-1 = signal n is passed on instead of having its effect on the command; the last message counts
 *     EXIT       u32: the exit status
 *     YOURSELF   nothing: the command has to be carried out by a process of its own. Instead of READY, or later, as long as nothing
 *                was changed or written.
 *
 * A command that has not said GO may turn away and do the work itself. One that has cannot: the end of the connection tells it that
 * the work may be half done. The end of the connection tells the resident that nobody waits any more. */
#ifndef GANTRY_CLIENT_H
#define GANTRY_CLIENT_H

/* Another path; empty: none. Without it CLIENT_SOCKET for root, below XDG_RUNTIME_DIR for others. */
#define CLIENT_VARIABLE "GANTRY_CLIENT_SOCKET"
#define CLIENT_DIRECTORY "gantry-client"
#define CLIENT_NAME "sock"
#define CLIENT_ROOT_DIRECTORY "/run"
/* Set for the program that does the work itself because nobody listens at the path that it holds. */
#define CLIENT_ABSENT "GANTRY_CLIENT_ABSENT"

#define CLIENT_HELLO 0x31636c67u /* "glc1" */
#define CLIENT_GO 0x6f67u

#define CLIENT_READY 1u
#define CLIENT_OUTPUT 2u
#define CLIENT_ERRORS 3u
#define CLIENT_SIGNALS 4u
#define CLIENT_EXIT 5u
#define CLIENT_YOURSELF 6u

#define CLIENT_MAX_BYTES (64u << 10)
#define CLIENT_READY_MS 1000

#endif
