/* What plan_decode() says of values. */
#include "plan_decoding.h"

/* A plan whose single op in a root is written by `put`. */
#define IN_ROOT(put)                                                                                                   \
  do {                                                                                                                 \
    begin_plan (&b, NEW_ALL, 0);                                                                                       \
    put_some_root (&b);                                                                                                \
    put;                                                                                                               \
  } while (0)

TEST ("plan_decode() refuses values out of range") {
  struct builder b;

  IN_ROOT (put_text (&b, OP_MASK, 0, "proc/kcore"));
  CHECK_REFUSED (&b, "invalid plan: op 3 MASK: path is not an absolute path");
  IN_ROOT (put_text (&b, OP_MASK, 0, "/a/../proc"));
  CHECK_REFUSED (&b, "invalid plan: op 3 MASK: path has a \"..\" in it");
  IN_ROOT (put_mount (&b, "tmpfs", "/x", STRV ("=1"), 0, 0));
  CHECK_REFUSED (&b, "invalid plan: op 3 MOUNT: options holds a key that is empty or too long");
  IN_ROOT (put_mount (&b, "tmpfs", "/x", STRV (), MOUNT_ATTR_IDMAP, 0));
  CHECK_REFUSED (&b, "invalid plan: op 3 MOUNT: attrs has unknown bits");
  IN_ROOT (put_bind (&b, "/a", "/x", 1ull << 40, 0));
  CHECK_REFUSED (&b, "invalid plan: op 3 BIND: attrs have unknown bits");
  IN_ROOT (put_bind (&b, "/proc/1/ns/mnt", "/x", 0, OPF_ELSEWHERE));
  CHECK_REFUSED (&b, "invalid plan: op 3 BIND: beneath is not an absolute path");
  IN_ROOT (put_device (&b, "/dev/", 1, 3));
  CHECK_REFUSED (&b, "invalid plan: op 3 DEVICE: path does not end in a name");
  IN_ROOT (put_device (&b, "/dev/x", 0x1000, 3));
  CHECK_REFUSED (&b, "invalid plan: op 3 DEVICE: major or minor is out of range");
  IN_ROOT (put_texts (&b, OP_SYMLINK, 0, "", "/x"));
  CHECK_REFUSED (&b, "invalid plan: op 3 SYMLINK: value or path is empty, too long, or does not end in a name");
  begin_plan (&b, 0, 0);
  put_op (&b, OP_RLIMIT, 0);
  put_u32 (&b, 16);
  put_u64 (&b, 0);
  put_u64 (&b, 0);
  CHECK_REFUSED (&b, "invalid plan: op 1 RLIMIT: resource is unknown");
  begin_plan (&b, 0, 0);
  put_op (&b, OP_OOM_SCORE_ADJ, 0);
  put_u32 (&b, (uint32_t) -1001);
  CHECK_REFUSED (&b, "invalid plan: op 1 OOM_SCORE_ADJ: value is out of range");
  begin_plan (&b, 0, 0);
  put_op (&b, OP_UNSHARE, 0);
  put_u32 (&b, CLONE_NEWNS);
  CHECK_REFUSED (&b, "invalid plan: op 1 UNSHARE: clone_flags has namespaces that cannot be made so late");
  begin_plan (&b, 0, 0);
  put_op (&b, OP_SECCOMP, 0);
  put_u32 (&b, 1u << 3); /* a listener nobody would listen to */
  put_blob (&b, "12345678", 8);
  put_str (&b, "");
  put_strv (&b, STRV ());
  CHECK_REFUSED (&b, "invalid plan: op 1 SECCOMP: filter_flags has bits that are not supported");
  begin_plan (&b, 0, 0);
  put_op (&b, OP_SECCOMP, 0);
  put_u32 (&b, 0);
  put_blob (&b, "1234567", 7);
  put_str (&b, "");
  put_strv (&b, STRV ());
  CHECK_REFUSED (&b, "invalid plan: op 1 SECCOMP: filter is not an array of sock_filter");
  begin_plan (&b, 0, 0);
  put_exec (&b, STRV (), STRV (), "");
  CHECK_REFUSED (&b, "invalid plan: op 1 EXEC: argv is empty");
  begin_plan (&b, 0, 0);
  put_exec (&b, STRV ("a"), STRV ("=x"), "");
  CHECK_REFUSED (&b, "invalid plan: op 1 EXEC: env holds an entry without a name");
}

TEST ("plan_decode() refuses time offsets that the kernel would read otherwise") {
  static const char *const offsets[][2] = {
    { "realtime 1 0\n", "has a line for an unknown clock" },
    { "monotonic 1 0", "has a line that is not a clock, seconds and nanoseconds" },
    { "monotonic 1\n", "has a line that is not a clock, seconds and nanoseconds" },
    { "monotonic --1 0\n", "has a line that is not a clock, seconds and nanoseconds" },
    { "monotonic 1 -1\n", "has a line that is not a clock, seconds and nanoseconds" },
    { "monotonic 1 1000000000\n", "has a line that is not a clock, seconds and nanoseconds" },
    { "monotonic 1 0 \n", "has a line that is not a clock, seconds and nanoseconds" },
    { "boottime 1 0\n\n", "has a line for an unknown clock" },
    { "boottime 1 0\nboottime 2 0\n", "sets a clock twice" },
  };
  struct builder b;

  for (size_t i = 0; i < sizeof offsets / sizeof *offsets; i++) {
    char expected[160];
    begin_plan (&b, 0, 0);
    put_text (&b, OP_TIME_OFFSETS, 0, offsets[i][0]);
    finish (&b);
    snprintf (expected, sizeof expected, "invalid plan: op 1 TIME_OFFSETS: offsets %s", offsets[i][1]);
    CHECK_REFUSED (&b, expected);
  }
  begin_plan (&b, 0, 0);
  put_text (&b, OP_TIME_OFFSETS, 0, "");
  finish (&b);
  CHECK (accepts (&b));
}

static void put_numbers (struct builder *b, uint16_t kind, uint32_t first, uint64_t second, uint32_t third,
                         uint32_t fourth) {
  begin_plan (b, 0, 0);
  put_op (b, kind, 0);
  put_u32 (b, first);
  if (kind != OP_SCHEDULER)
    return;
  put_u64 (b, second);
  put_u32 (b, third);
  put_u32 (b, fourth);
  for (int i = 0; i < 3; i++)
    put_u64 (b, 0);
}

TEST ("plan_decode() refuses scheduling, CPUs, personalities and labels that mean nothing") {
  struct builder b;

  put_numbers (&b, OP_SCHEDULER, 8, 0, 0, 0);
  CHECK_REFUSED (&b, "invalid plan: op 1 SCHEDULER: policy is unknown");
  put_numbers (&b, OP_SCHEDULER, 0, 0, 20, 0);
  CHECK_REFUSED (&b, "invalid plan: op 1 SCHEDULER: nice or priority is out of range");
  put_numbers (&b, OP_SCHEDULER, 0, 0, (uint32_t) -21, 0);
  CHECK_REFUSED (&b, "invalid plan: op 1 SCHEDULER: nice or priority is out of range");
  put_numbers (&b, OP_SCHEDULER, 1, 0, 0, 100);
  CHECK_REFUSED (&b, "invalid plan: op 1 SCHEDULER: nice or priority is out of range");
  put_numbers (&b, OP_IO_PRIORITY, 0x10000, 0, 0, 0);
  CHECK_REFUSED (&b, "invalid plan: op 1 IO_PRIORITY: ioprio is out of range");
  put_numbers (&b, OP_PERSONALITY, UINT32_MAX, 0, 0, 0);
  CHECK_REFUSED (&b, "invalid plan: op 1 PERSONALITY: persona is the question for the present one");
  for (uint32_t size = 0; size < 1100; size += 1025) {
    uint8_t mask[1025] = { 0 };
    begin_plan (&b, 0, 0);
    put_op (&b, OP_AFFINITY, 0);
    put_blob (&b, mask, size);
    CHECK_REFUSED (&b, "invalid plan: op 1 AFFINITY: mask is empty or too long");
  }
  put_numbers (&b, OP_LABEL, 3, 0, 0, 0);
  put_str (&b, "x");
  CHECK_REFUSED (&b, "invalid plan: op 1 LABEL: module is unknown");
  put_numbers (&b, OP_LABEL, LABEL_SELINUX, 0, 0, 0);
  put_str (&b, "");
  CHECK_REFUSED (&b, "invalid plan: op 1 LABEL: label is empty");
}

static void put_filter (struct builder *b, uint32_t flags, const char *listener, const char *const *parts) {
  put_op (b, OP_SECCOMP, 0);
  put_u32 (b, flags);
  put_blob (b, "12345678", 8);
  put_str (b, listener);
  put_strv (b, parts);
}

TEST ("plan_decode() refuses links without a proper name or a namespace to go to") {
  static const char *const names[] = { "", ".", "..", "a/b", "a:1", "a b", "a\n", "sixteen-letters-" };
  struct builder b;

  for (size_t i = 0; i < 2 * sizeof names / sizeof *names; i++) {
    const char *name = names[i / 2];
    begin_plan (&b, CLONE_NEWNET, 0);
    put_texts (&b, OP_NETDEV, 0, i % 2 == 0 ? name : "eth0", i % 2 == 0 ? "eth0" : name);
    finish (&b);
    CHECK_REFUSED (&b, "invalid plan: op 1 NETDEV: name or new_name is not the name of a link");
  }
  begin_plan (&b, 0, 0);
  put_texts (&b, OP_NETDEV, 0, "va", "eth0");
  CHECK_REFUSED (&b, "invalid plan: op 1 NETDEV: would leave the link with the host");
  begin_plan (&b, 0, 0);
  put_op (&b, OP_UNSHARE, 0);
  put_u32 (&b, CLONE_NEWNET);
  put_texts (&b, OP_NETDEV, 0, "va", "eth0");
  CHECK_REFUSED (&b, "invalid plan: op 2 NETDEV: comes too late: it is performed before what the child does");
  begin_plan (&b, CLONE_NEWNET, 0);
  put_texts (&b, OP_NETDEV, 0, "va", "eth0");
  put_op (&b, OP_UNSHARE, 0);
  put_u32 (&b, CLONE_NEWNET);
  CHECK_REFUSED (&b, "invalid plan: op 2 UNSHARE: clone_flags would leave the links of NETDEV behind");
  begin_plan (&b, CLONE_NEWNET, 0);
  put_texts (&b, OP_NETDEV, 0, "va", "eth%d");
  finish (&b);
  CHECK (accepts (&b));
}

TEST ("plan_decode() refuses seccomp listeners that the kernel or the socket would") {
  char long_path[110] = "/";
  struct builder b;

  memset (long_path + 1, 'x', 107);
  begin_plan (&b, 0, 0);
  put_filter (&b, 0, long_path, STRV ("{}"));
  CHECK_REFUSED (&b, "invalid plan: op 1 SECCOMP: listener is not an absolute path that fits a socket address");
  begin_plan (&b, 0, 0);
  put_filter (&b, 0, "agent", STRV ("{}"));
  CHECK_REFUSED (&b, "invalid plan: op 1 SECCOMP: listener is not an absolute path that fits a socket address");
  begin_plan (&b, 0, 0);
  put_filter (&b, 0, "/agent", STRV ());
  CHECK_REFUSED (&b, "invalid plan: op 1 SECCOMP: state_parts and listener must be given together");
  begin_plan (&b, 0, 0);
  put_filter (&b, 0, "", STRV ("{}"));
  CHECK_REFUSED (&b, "invalid plan: op 1 SECCOMP: state_parts and listener must be given together");
  begin_plan (&b, 0, 0);
  put_filter (&b, 1 /* TSYNC */, "/agent", STRV ("{}"));
  CHECK_REFUSED (&b, "invalid plan: op 1 SECCOMP: filter_flags has bits that are not supported");
  begin_plan (&b, 0, 0);
  put_filter (&b, 1 << 5 /* WAIT_KILLABLE_RECV */, "", STRV ());
  CHECK_REFUSED (&b, "invalid plan: op 1 SECCOMP: filter_flags has bits that are not supported");
  begin_plan (&b, 0, 0);
  put_filter (&b, 0, "/agent", STRV ("{}"));
  put_filter (&b, 0, "/other", STRV ("{}"));
  CHECK_REFUSED (&b, "invalid plan: op 2 SECCOMP: listener is a second one, which the kernel does not take");
  begin_plan (&b, 0, 0);
  put_filter (&b, 0, "", STRV ());
  put_filter (&b, 1 << 5, "/agent", STRV ("{", "}"));
  finish (&b);
  CHECK (accepts (&b));
}

TEST ("plan_decode() refuses identities that are neither number nor name") {
  static const struct {
    uint32_t user_kind, uid;
    const char *user;
    const char *text;
  } cases[] = {
    { 3, 0, "", "user is neither a number nor a name" },
    { ID_NAME, 0, "", "user is neither a number nor a name" },
    { ID_NUMBER, 0, "app", "user is neither a number nor a name" },
    { ID_NUMBER, UINT32_MAX, "", "user is neither a number nor a name" },
  };

  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct builder b;
    char expected[128];
    begin_plan (&b, 0, 0);
    put_op (&b, OP_IDENTITY, 0);
    put_u32 (&b, cases[i].user_kind);
    put_u32 (&b, cases[i].uid);
    put_str (&b, cases[i].user);
    put_u32 (&b, 0);
    put_u32 (&b, 0);
    put_str (&b, "");
    put_strv (&b, STRV ());
    put_u32 (&b, 0);
    snprintf (expected, sizeof expected, "invalid plan: op 1 IDENTITY: %s", cases[i].text);
    CHECK_REFUSED (&b, expected);
  }
}

TEST ("plan_decode() refuses overlay layers that the kernel would read otherwise") {
  static const char *const bad[] = { "relative", "/with\\backslash", "" };

  for (size_t i = 0; i < 3; i++) {
    struct builder b;
    begin_plan (&b, NEW_ALL, 0);
    put_op (&b, OP_PROPAGATION, 0);
    put_u64 (&b, MS_PRIVATE);
    put_op (&b, OP_ROOT_OVERLAY, 0);
    put_strv (&b, STRV ("/ok", bad[i]));
    put_str (&b, "");
    put_str (&b, "");
    put_strv (&b, STRV ());
    put_str (&b, "/staging");
    put_u32 (&b, IDMAP_NONE);
    CHECK_REFUSED (
        &b, "invalid plan: op 2 ROOT_OVERLAY: lowers holds something that is not an absolute path without backslashes");
  }
}

int main (int argc, char **argv) {
  return run_tests (argc, argv);
}
