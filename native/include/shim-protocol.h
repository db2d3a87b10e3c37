/* What a shim and its daemon say to each other. Mirrored by src/shim/protocol.ts; a test compares the two.
 *
 * The shim is started as `gantry-shim shim ID` with its working directory set to the task's run directory and
 * descriptor 3 connected to the daemon. Sockets at the descriptors behind it (4, 5, ...) are further connections, made before
 * the shim began and served before descriptor 3: an ATTACH waiting there is done ahead of CREATE. It listens on the unix socket "shim.sock" in that directory for everybody who
 * comes later (a restarted daemon, attach); its mode is 0600, and a peer that is neither root nor of the same user is
 * turned away. Every connection starts in frame mode:
 *
 *     frame   u32 payload_bytes | u16 kind | u16 tag | payload          little-endian, fields as in plan.h
 *
 * A request's tag is echoed by its reply (kind REPLY_OK or REPLY_ERROR). Events carry tag 0. A frame that is malformed, too
 * large for its kind (SHIM_MAX_FRAME for CREATE and EXEC, 4 KiB for others) or of no known kind ends its connection.
 *
 * ATTACH, and EXEC with SHIM_STREAM, turn their connection into a stream after the reply; bytes that follow such a request
 * at once are standard input already. On the stream:
 *
 *     shim -> peer   terminal: raw bytes.  otherwise: Docker's framing  u8 1|2 (stdout|stderr) | 0 0 0 | u32 big-endian | bytes
 *                    the shim shuts its side down when the process has ended and every byte is out
 *     peer -> shim   raw bytes of standard input; end of file closes the process's stdin if SHIM_STDIN_ONCE was given
 *                    at creation (always for an exec), otherwise just detaches. A terminal cannot be closed: there it
 *                    always detaches, as with Docker
 *
 * No byte of a stream is lost: a peer that does not read stops the process once 1 MiB waits for it. When the process has
 * ended nobody holds anything up: what a peer has not read by then stays in its socket, also when the shim is gone.
 *
 * A process ends when it is reaped, not when its pipes are closed. If somebody else holds them, the shim goes on reading for
 * two seconds, as Docker does, before it reports the exit. The pipes of an exec stay open after that, what comes is discarded.
 *
 * The shim outlives the daemon: it ends when its task has ended, or when descriptor 3 is closed before CREATE came.
 *
 * Files the shim writes in its run directory, each aside (NAME.new) + fsync + rename:
 *     pid    {"pid":123,"startTicks":456}\n                    once the process exists; startTicks: /proc/PID/stat field 22
 *     exit   {"exitCode":0,"signal":0,"oomKilled":false,"exitedAtNs":"...","lostLogBytes":"0"}\n
 *                                                              after the last output byte is in the log, before EVENT_EXIT
 * After EVENT_EXIT the shim removes the task's cgroups, drains its attach connections and ends. So: a run directory
 * without a listening shim and without `exit` means that the shim was killed.
 */
#ifndef GANTRY_SHIM_PROTOCOL_H
#define GANTRY_SHIM_PROTOCOL_H

#define SHIM_MAX_FRAME ((16u << 20) + 65536u)
#define SHIM_KEPT_MAX 8
#define SHIM_KEPT_NAME_MAX 64

enum shim_kind {
  /* Creates the process, once. REPLY_OK (u32 pid, u64 start_ticks) comes when it is created, or with SHIM_RUN when execve has
     succeeded. On REPLY_ERROR nothing is left and the shim ends.
     The log is json-file, byte for byte as Docker writes it (jsonlog.h), rotated as logfile.h tells. The shim never compresses.
     With SHIM_LOG_COMPRESSED the daemon may replace a rotated PATH.N by PATH.N.gz: it writes that aside, takes flock(LOCK_EX) on
     PATH (again, if PATH is another file by then), looks where the inode it has compressed is now, renames, unlinks and
     unlocks. The shim puts rotation off while the lock is held, and moves both kinds of names.
     u32 flags, u32 rows, u32 cols, str log_path ("" = keep no log), u64 log_max_bytes (0 = no limit), u32 log_max_files,
     u32 log_flags, str log_attrs (JSON object text or ""), blob plan */
  SHIM_CREATE = 1,
  SHIM_START = 2,       /* (nothing) -> OK when execve has succeeded; REPLY_ERROR ends the shim, too */
  SHIM_SIGNAL = 3,      /* str exec_id ("" = main process), u32 signal -> OK, or error ESRCH */
  SHIM_RESIZE = 4,      /* str exec_id, u32 rows, u32 cols -> OK, or error ENOTTY, ESRCH */
  SHIM_EXEC = 5,        /* str exec_id (1-128 bytes), u32 flags, u32 rows, u32 cols, blob plan -> OK (u32 pid, u64 start_ticks)
                           after execve. An id is free again after its exit event; EEXIST before */
  SHIM_ATTACH = 6,      /* u32 flags (SHIM_STDIN|SHIM_STDOUT|SHIM_STDERR) -> OK, then stream. May come before CREATE: such a
                           peer misses nothing, without a step between CREATE and START */
  SHIM_CLOSE_STDIN = 7, /* str exec_id -> OK; takes effect behind what peers have sent. ENOTTY for a terminal */
  SHIM_SUBSCRIBE = 8,   /* (nothing) -> OK; events follow on this connection. Descriptor 3 is subscribed from the start */
  SHIM_STATE = 9,       /* (nothing) -> OK u32 status (enum shim_status), u32 pid, u64 start_ticks */
  SHIM_KEEP = 10,       /* str name (1-64 bytes), u32 fd -> OK (u32 fd). Takes a copy of the peer's descriptor (pidfd_getfd(2)), under a
                           number of its own, and keeps it open as long as it lives, for a daemon that comes later. A
                           descriptor of the same name is closed then. ENOSPC: SHIM_KEPT_MAX are kept */
  SHIM_KEPT = 11,       /* (nothing) -> OK u32 pid of the shim, u32 count, (str name, u32 fd)*; whoever wants one gets it as above */
  SHIM_CLEAR_LOG = 12,  /* (nothing) -> OK: all files of the log are gone, what comes begins a new one. ENOENT: keeps no log;
                           EAGAIN: the daemon holds the lock of log_flags */

  SHIM_REPLY_OK = 0x4000,
  SHIM_REPLY_ERROR = 0x4001, /* u32 errno, u32 op (as struct err), str text */

  SHIM_EVENT_EXIT = 0x8000,      /* u32 exit_code (128+n if killed), u32 signal, u32 oom_killed, u64 exited_at_ns, u64 lost_log_bytes */
  SHIM_EVENT_EXEC_EXIT = 0x8001, /* str exec_id, u32 exit_code, u32 signal, u64 exited_at_ns; after its output is out */
  SHIM_EVENT_OOM = 0x8002,       /* (nothing); memory has run out in the task's cgroup; before the exit of who is killed for it */
};

enum shim_flags {
  SHIM_RUN = 1u << 0,        /* CREATE: start at once */
  SHIM_TERMINAL = 1u << 1,
  SHIM_STDIN = 1u << 2,      /* CREATE/EXEC: has a stdin; ATTACH: this peer writes it */
  SHIM_STDIN_ONCE = 1u << 3, /* CREATE: first attached peer's end of file closes stdin */
  SHIM_STDOUT = 1u << 4,
  SHIM_STDERR = 1u << 5,
  SHIM_STREAM = 1u << 6,     /* EXEC: this connection becomes the stream; without it output is discarded */
};

enum shim_log_flags {
  SHIM_LOG_COMPRESSED = 1u << 0, /* the daemon compresses rotated files, see SHIM_CREATE */
  SHIM_LOG_EXACT = 1u << 1,      /* keeps bytes that are not UTF-8, see jsonlog.h */
};

enum shim_status { SHIM_NEW = 0, SHIM_CREATED = 1, SHIM_RUNNING = 2, SHIM_EXITED = 3 };

#endif
