/* The plan decoder and the field reader: what they accept, and that everything else is refused with a reason. */
#include "fields.h"
#include "plan_decoding.h"

/* One op of every kind. */
static void build_everything (struct builder *b) {
  begin_plan (b, NEW_ALL, PLAN_TERMINAL | PLAN_HOST_PID);
  put_text (b, OP_CGROUP_CREATE, 0, "/cg/a");
  put_texts (b, OP_CGROUP_WRITE, OPF_MAY_MISS, "/cg/a/f", "1");
  put_text (b, OP_CGROUP_BPF, 0, "/cg/a");
  put_blob (b, "12345678", 8);
  put_text (b, OP_OOM_FILE, 0, "/cg/a/oom");
  put_op (b, OP_NS_PATH, 0);
  put_u32 (b, CLONE_NEWCGROUP);
  put_str (b, "/proc/1/ns/cgroup");
  put_texts (b, OP_USERNS, 0, "0 100000 65536\n", "0 100000 65536\n");
  put_op (b, OP_IDMAP, 0);
  put_u32 (b, 1);
  put_str (b, "0 7 1\n1 100 2\n");
  put_str (b, "0 4294967294 1\n");
  put_op (b, OP_HOOK, 0);
  put_u32 (b, HOOK_RUNTIME);
  put_str (b, "/bin/hook");
  put_strv (b, STRV ("hook", "-x"));
  put_strv (b, STRV ("A=1"));
  put_u32 (b, 5);
  put_str (b, "{\"pid\":");
  put_str (b, "}");
  put_texts (b, OP_NETDEV, 0, "veth0", "eth0");
  put_text (b, OP_CGROUP_LEAVE, 0, "/cg/cgroup.procs");
  put_text (b, OP_CGROUP_OWNER, 0, "/cg/a");
  put_u32 (b, 100000);
  put_strv (b, STRV ("cgroup.procs"));
  put_op (b, OP_CGROUP_JOIN, 0);
  put_str (b, "/cg/a");
  put_u32 (b, 2);
  put_op (b, OP_UNSHARE, 0);
  put_u32 (b, CLONE_NEWCGROUP);
  put_text (b, OP_TIME_OFFSETS, 0, "monotonic 1 2\nboottime -3 0\n");
  put_op (b, OP_AFFINITY, 0);
  put_blob (b, "\x3", 1);
  put_op (b, OP_PROPAGATION, 0);
  put_u64 (b, MS_SLAVE);
  put_op (b, OP_ROOT_OVERLAY, 0);
  put_strv (b, STRV ("/l1", "/l2"));
  put_str (b, "/upper");
  put_str (b, "/work");
  put_strv (b, STRV ("volatile", "index=off"));
  put_str (b, "/staging");
  put_u32 (b, 1);
  put_mount (b, "tmpfs", "/dev", STRV ("mode=755"), MOUNT_ATTR_NOSUID, OPF_TARGET_MODE | OPF_COPY_UP);
  put_bind (b, "/src", "/dst", MOUNT_ATTR_RDONLY, OPF_RECURSIVE | OPF_IDMAP_TREE | OPF_TARGET_FILE);
  put_device (b, "/dev/null", 1, 3);
  put_texts (b, OP_SYMLINK, 0, "pts/ptmx", "/dev/ptmx");
  put_text (b, OP_DIRECTORY, 0, "/a/b");
  put_u32 (b, 0755);
  put_u32 (b, 1);
  put_u32 (b, 2);
  put_text (b, OP_MASK, 0, "/proc/kcore");
  put_text (b, OP_READONLY, 0, "/proc/sys");
  put_op (b, OP_CONSOLE, 0);
  put_u32 (b, 24);
  put_u32 (b, 80);
  put_u32 (b, 0);
  put_some_pivot (b);
  put_op (b, OP_ROOT_PROPAGATION, 0);
  put_u64 (b, MS_SLAVE | MS_REC);
  put_texts (b, OP_SYSCTL, 0, "net/ipv4/ip_forward", "1");
  put_text (b, OP_HOSTNAME, 0, "box");
  put_text (b, OP_DOMAINNAME, 0, "");
  put_op (b, OP_LOOPBACK_UP, 0);
  put_op (b, OP_HOOKS, 0);
  put_u32 (b, HOOK_START);
  put_op (b, OP_PERSONALITY, 0);
  put_u32 (b, 8);
  put_op (b, OP_SCHEDULER, 0);
  put_u32 (b, 3);
  put_u64 (b, 1);
  put_u32 (b, (uint32_t) -5);
  put_u32 (b, 0);
  for (int i = 0; i < 3; i++)
    put_u64 (b, 0);
  put_op (b, OP_IO_PRIORITY, 0);
  put_u32 (b, 2 << 13 | 4);
  put_op (b, OP_LABEL, 0);
  put_u32 (b, LABEL_APPARMOR);
  put_str (b, "gantry-default");
  put_op (b, OP_RLIMIT, 0);
  put_u32 (b, 7);
  put_u64 (b, 1);
  put_u64 (b, UINT64_MAX);
  put_op (b, OP_OOM_SCORE_ADJ, OPF_MAY_MISS);
  put_u32 (b, (uint32_t) -500);
  put_op (b, OP_UMASK, 0);
  put_u32 (b, 022);
  put_text (b, OP_KEYRING, 0, "ring");
  put_op (b, OP_SYNC, OPF_LOOKUP);
  put_op (b, OP_REAPER, 0);
  put_op (b, OP_BOUNDING, 0);
  put_u64 (b, 1);
  put_op (b, OP_IDENTITY, 0);
  put_u32 (b, ID_NAME);
  put_u32 (b, 0);
  put_str (b, "app");
  put_u32 (b, ID_NONE);
  put_u32 (b, 0);
  put_str (b, "");
  put_strv (b, STRV ("wheel", "7"));
  put_u32 (b, 1);
  put_op (b, OP_CAPS, 0);
  for (int i = 0; i < 4; i++)
    put_u64 (b, 1);
  put_text (b, OP_CWD, OPF_CREATE, "/work/../dir");
  put_op (b, OP_NO_NEW_PRIVS, 0);
  put_op (b, OP_SECCOMP, 0);
  put_u32 (b, 0);
  put_blob (b, "12345678", 8);
  put_str (b, "/run/agent.sock");
  put_strv (b, STRV ("{", "}"));
  finish (b);
}

TEST ("plan_decode() takes a plan with an op of every kind and points into its buffer") {
  struct builder b;
  struct plan p;
  struct err e = { 0 };

  build_everything (&b);
  end_plan (&b);
  int result = plan_decode (b.bytes, b.size, &p, &e);
  CHECK_TEXT (e.text, "");
  CHECK (result == 0);
  bool is_right = p.op_count == 49 && p.clone_flags == NEW_ALL && p.flags == (PLAN_TERMINAL | PLAN_HOST_PID);
  is_right =
      is_right && p.ops[0].kind == OP_CGROUP_CREATE && p.ops[48].kind == OP_EXEC && p.ops[1].flags == OPF_MAY_MISS;
  struct fields f = fields_of (p.ops[0].payload, p.ops[0].size);
  const char *path = take_str (&f);
  is_right = is_right && strcmp (path, "/cg/a") == 0 && (const uint8_t *) path > b.bytes &&
             (const uint8_t *) path < b.bytes + b.size;
  plan_release (&p);
  free (b.bytes);
  CHECK (is_right);
}

TEST ("plan_decode() refuses a plan that is cut off anywhere") {
  struct builder b;

  build_everything (&b);
  end_plan (&b);
  for (size_t size = 0; size < b.size; size++) {
    CHECK (!accepts_bytes (b.bytes, size));
    if (size < 8)
      continue;
    poke_u32 (&b, 4, (uint32_t) size); /* and when the header agrees */
    CHECK (!accepts_bytes (b.bytes, size));
  }
  poke_u32 (&b, 4, (uint32_t) b.size);
  CHECK (accepts_bytes (b.bytes, b.size));
  free (b.bytes);
}

TEST ("plan_decode() refuses wrong headers") {
  static const struct {
    size_t at;
    uint32_t value;
    const char *text;
  } cases[] = {
    { 0, 0x314c5046, "invalid plan: it does not start with the mark of a plan" },
    { 4, 1, "invalid plan: 72 bytes came, the header says 1" },
    { 8, 2, "invalid plan: op 2 is cut off" },
    { 8, 0, "invalid plan: 40 bytes are left over" },
    { 8, 0x7fffffff, "invalid plan: 2147483647 ops are too many" },
    { 12, CLONE_NEWUSER, "invalid plan: clone flags 0x10000000 name more than supported namespaces" },
    { 12, CLONE_VM, "invalid plan: clone flags 0x100 name more than supported namespaces" },
    { 16, 16, "invalid plan: unknown plan flags 0x10" },
    { 16, PLAN_TERMINAL, "invalid plan: terminal flag and CONSOLE must go together" },
    { 20, 1, "invalid plan: reserved header fields are not 0" },
    { 28, 1, "invalid plan: reserved header fields are not 0" },
  };

  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct builder b;
    begin_plan (&b, 0, 0);
    finish (&b);
    end_plan (&b);
    poke_u32 (&b, cases[i].at, cases[i].value);
    bool accepted = accepts_bytes (b.bytes, b.size);
    free (b.bytes);
    CHECK_TEXT (refusal.text, cases[i].text);
    CHECK (!accepted);
  }
}

TEST ("plan_decode() refuses unknown ops, unknown op flags and payloads that are too long, and says where") {
  struct builder b;

  begin_plan (&b, 0, 0);
  put_op (&b, 99, 0);
  CHECK_REFUSED (&b, "invalid plan: op 1 has the unknown kind 99");
  begin_plan (&b, 0, 0);
  put_op (&b, OP_SYNC, 0);
  put_op (&b, 15, 0);
  CHECK_REFUSED (&b, "invalid plan: op 2 has the unknown kind 15");
  CHECK (refusal.op == 2);
  begin_plan (&b, 0, 0);
  put_op (&b, OP_SYNC, OPF_CREATE);
  CHECK_REFUSED (&b, "invalid plan: op 1 SYNC: op_flags has bits that this op does not know");
  begin_plan (&b, 0, 0);
  put_op (&b, OP_SYNC, 0);
  put_u32 (&b, 0);
  CHECK_REFUSED (&b, "invalid plan: op 1 SYNC: has bytes left over");
  begin_plan (&b, 0, 0);
  put_op (&b, OP_RLIMIT, 0);
  put_u32 (&b, 1);
  put_u64 (&b, 1);
  CHECK_REFUSED (&b, "invalid plan: op 1 RLIMIT: hard is damaged or cut off");
}

TEST ("plan_decode() refuses strings that are damaged") {
  struct builder b;

  begin_plan (&b, 0, 0);
  put_op (&b, OP_KEYRING, 0);
  put_u32 (&b, 3);
  put_bytes (&b, "a\0c", 4);
  CHECK_REFUSED (&b, "invalid plan: op 1 KEYRING: name is damaged or cut off");
  begin_plan (&b, 0, 0);
  put_op (&b, OP_KEYRING, 0);
  put_u32 (&b, 3);
  put_bytes (&b, "abcd", 4);
  CHECK_REFUSED (&b, "invalid plan: op 1 KEYRING: name is damaged or cut off");
  begin_plan (&b, 0, 0);
  put_op (&b, OP_KEYRING, 0);
  put_u32 (&b, UINT32_MAX);
  put_bytes (&b, "abcd", 5);
  CHECK_REFUSED (&b, "invalid plan: op 1 KEYRING: name is damaged or cut off");
  begin_plan (&b, 0, 0);
  put_op (&b, OP_EXEC, 0);
  put_u32 (&b, UINT32_MAX);
  CHECK_REFUSED (&b, "invalid plan: op 1 EXEC: argv is damaged or cut off");
}

TEST ("plan_decode() refuses mounts that would be the host's") {
  struct builder b;

  begin_plan (&b, CLONE_NEWPID, 0);
  put_some_root (&b);
  CHECK_REFUSED (&b, "invalid plan: op 1 PROPAGATION: needs a new mount namespace");
  begin_plan (&b, CLONE_NEWNS, 0);
  put_mount (&b, "proc", "/proc", STRV (), 0, 0);
  CHECK_REFUSED (&b, "invalid plan: op 1 MOUNT: comes before the root");
  begin_plan (&b, CLONE_NEWNS, 0);
  put_some_root (&b);
  finish (&b);
  CHECK_REFUSED (&b, "invalid plan: it has a root but no PIVOT");
  begin_plan (&b, CLONE_NEWNS, 0);
  put_some_root (&b);
  put_some_pivot (&b);
  put_bind (&b, "/etc", "/etc", 0, 0);
  CHECK_REFUSED (&b, "invalid plan: op 4 BIND: comes after PIVOT");
  begin_plan (&b, CLONE_NEWNS, 0);
  put_texts (&b, OP_ROOT_BIND, 0, "/source", "/staging");
  put_u32 (&b, IDMAP_NONE);
  CHECK_REFUSED (&b, "invalid plan: op 1 ROOT_BIND: needs PROPAGATION first");
  begin_plan (&b, CLONE_NEWNS, 0);
  put_some_root (&b);
  put_texts (&b, OP_ROOT_BIND, 0, "/source", "/staging");
  put_u32 (&b, IDMAP_NONE);
  CHECK_REFUSED (&b, "invalid plan: op 3 ROOT_BIND: comes twice");
}

TEST ("plan_decode() refuses settings that would be the host's") {
  static const struct {
    const char *key, *why;
  } sysctls[] = {
    { "kernel/core_pattern", "does not belong to a namespace" },
    { "net/ipv4/ip_forward", "belongs to a namespace that the plan neither makes nor joins" },
    { "user/max_mnt_namespaces", "belongs to a namespace that the plan neither makes nor joins" },
    { "kernel/shmmax", "belongs to a namespace that the plan neither makes nor joins" },
    { "net/../kernel/core_pattern", "is not a plain relative path" },
    { "/net/x", "is not a plain relative path" },
    { "net//x", "is not a plain relative path" },
    { "net/./x", "is not a plain relative path" },
    { "net/", "is not a plain relative path" },
    { "", "is not a plain relative path" },
    { "vm/overcommit_memory", "does not belong to a namespace" },
  };
  struct builder b;

  for (size_t i = 0; i < sizeof sysctls / sizeof *sysctls; i++) {
    char expected[200];
    begin_plan (&b, 0, 0);
    put_texts (&b, OP_SYSCTL, 0, sysctls[i].key, "1");
    snprintf (expected, sizeof expected, "invalid plan: op 1 SYSCTL: key %s", sysctls[i].why);
    CHECK_REFUSED (&b, expected);
  }
  begin_plan (&b, CLONE_NEWNET, 0);
  put_text (&b, OP_HOSTNAME, 0, "x");
  CHECK_REFUSED (&b, "invalid plan: op 1 HOSTNAME: would rename the host");
  begin_plan (&b, CLONE_NEWUTS, 0);
  put_op (&b, OP_LOOPBACK_UP, 0);
  CHECK_REFUSED (&b, "invalid plan: op 1 LOOPBACK_UP: would change the host's network");
  begin_plan (&b, 0, 0);
  put_op (&b, OP_NS_PATH, 0);
  put_u32 (&b, CLONE_NEWNET);
  put_str (&b, "/n");
  put_op (&b, OP_LOOPBACK_UP, 0);
  finish (&b);
  CHECK (accepts (&b));
}

TEST ("plan_decode() refuses in a joining plan what only a new container may do") {
  struct builder b;

  begin_plan (&b, CLONE_NEWPID, PLAN_JOIN);
  finish (&b);
  CHECK_REFUSED (&b, "invalid plan: a joining plan stays in the host's mount namespace");
  begin_plan (&b, JOIN_ALL, PLAN_JOIN);
  put_text (&b, OP_CGROUP_CREATE, 0, "/cg");
  CHECK_REFUSED (&b, "invalid plan: op 1 CGROUP_CREATE: is not possible in a joined container");
  begin_plan (&b, JOIN_ALL, PLAN_JOIN);
  put_mount (&b, "proc", "/proc", STRV (), 0, 0);
  CHECK_REFUSED (&b, "invalid plan: op 1 MOUNT: is not possible in a joined container");
  begin_plan (&b, JOIN_ALL, PLAN_JOIN);
  put_op (&b, OP_NO_NEW_PRIVS, 0);
  put_op (&b, OP_CGROUP_JOIN, 0);
  put_str (&b, "/cg");
  put_u32 (&b, 1);
  CHECK_REFUSED (&b, "invalid plan: op 2 CGROUP_JOIN: must come first: after it the host's cgroups are out of sight");
  begin_plan (&b, JOIN_ALL, PLAN_JOIN | PLAN_TERMINAL);
  put_op (&b, OP_CONSOLE, 0);
  put_u32 (&b, 1);
  put_u32 (&b, 1);
  put_u32 (&b, 0);
  finish (&b);
  CHECK (accepts (&b));
}

static void put_any_hook (struct builder *b) {
  put_op (b, OP_HOOK, 0);
  put_u32 (b, HOOK_POSTSTART);
  put_str (b, "/bin/true");
  put_strv (b, STRV ("true"));
  put_strv (b, STRV ());
  put_u32 (b, 0);
  put_str (b, "");
  put_str (b, "");
}

TEST ("plan_decode() accepts hooks alone, and with anything else only with EXEC") {
  struct builder b;

  begin_plan (&b, 0, 0);
  put_any_hook (&b);
  put_any_hook (&b);
  end_plan (&b);
  CHECK (accepts (&b));
  begin_plan (&b, 0, 0);
  put_any_hook (&b);
  put_op (&b, OP_SYNC, 0);
  CHECK_REFUSED (&b, "invalid plan: it has no EXEC");
}

TEST ("plan_decode() refuses ops in excess, ops after EXEC and plans without one") {
  struct builder b;

  begin_plan (&b, 0, 0);
  CHECK_REFUSED (&b, "invalid plan: it has no EXEC");
  begin_plan (&b, 0, 0);
  finish (&b);
  put_op (&b, OP_NO_NEW_PRIVS, 0);
  CHECK_REFUSED (&b, "invalid plan: op 2 NO_NEW_PRIVS: comes after the plan's end");
  begin_plan (&b, 0, 0);
  finish (&b);
  finish (&b);
  CHECK_REFUSED (&b, "invalid plan: op 2 EXEC: comes twice");
  begin_plan (&b, 0, 0);
  for (int i = 0; i < 2; i++) {
    put_op (&b, OP_CGROUP_JOIN, 0);
    put_str (&b, "/cg");
    put_u32 (&b, 2);
  }
  CHECK_REFUSED (&b, "invalid plan: op 2 CGROUP_JOIN: joins a second unified cgroup");
  begin_plan (&b, 0, 0);
  for (int i = 0; i < 9; i++) {
    put_op (&b, OP_NS_PATH, 0);
    put_u32 (&b, CLONE_NEWNET);
    put_str (&b, "/n");
  }
  CHECK_REFUSED (&b, "invalid plan: op 2 NS_PATH: clone_flag is one that the plan makes or enters already");
}

static void put_ns_path (struct builder *b, uint32_t clone_flag) {
  put_op (b, OP_NS_PATH, 0);
  put_u32 (b, clone_flag);
  put_str (b, "/n");
}

TEST ("plan_decode() takes every namespace once, and none that would leave a root with somebody else") {
  static const uint32_t all[] = { CLONE_NEWUSER, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC,
                                  CLONE_NEWPID,  CLONE_NEWNET,    CLONE_NEWNS,  CLONE_NEWTIME };
  struct builder b;

  begin_plan (&b, 0, 0);
  for (size_t i = 0; i < sizeof all / sizeof *all; i++)
    put_ns_path (&b, all[i]);
  finish (&b);
  CHECK (accepts (&b));
  begin_plan (&b, 0, 0);
  put_ns_path (&b, CLONE_NEWNET | CLONE_NEWUTS);
  finish (&b);
  CHECK_REFUSED (&b, "invalid plan: op 1 NS_PATH: clone_flag is not one namespace");
  begin_plan (&b, CLONE_NEWUTS, 0);
  put_ns_path (&b, CLONE_NEWUTS);
  finish (&b);
  CHECK_REFUSED (&b, "invalid plan: op 1 NS_PATH: clone_flag is one that the plan makes or enters already");
  begin_plan (&b, CLONE_NEWNS, 0);
  put_texts (&b, OP_USERNS, 0, "0 1 1\n", "0 1 1\n");
  put_ns_path (&b, CLONE_NEWUSER);
  finish (&b);
  CHECK_REFUSED (&b, "invalid plan: op 2 NS_PATH: clone_flag is one that the plan makes or enters already");
  begin_plan (&b, 0, 0);
  put_ns_path (&b, CLONE_NEWUSER);
  put_texts (&b, OP_USERNS, 0, "0 1 1\n", "0 1 1\n");
  finish (&b);
  CHECK_REFUSED (&b, "invalid plan: op 2 USERNS: is a second user namespace");
  begin_plan (&b, 0, 0);
  put_ns_path (&b, CLONE_NEWNS);
  put_some_root (&b);
  finish (&b);
  CHECK_REFUSED (&b, "invalid plan: op 2 PROPAGATION: needs a new mount namespace");
  begin_plan (&b, 0, PLAN_TERMINAL);
  put_ns_path (&b, CLONE_NEWNS);
  put_op (&b, OP_CONSOLE, 0);
  put_u32 (&b, 1);
  put_u32 (&b, 1);
  put_u32 (&b, 0);
  finish (&b);
  CHECK (accepts (&b));
  begin_plan (&b, 0, 0);
  put_ns_path (&b, CLONE_NEWNS);
  put_op (&b, OP_UMASK, 0);
  put_u32 (&b, 0);
  put_op (&b, OP_CGROUP_JOIN, 0);
  put_str (&b, "/cg");
  put_u32 (&b, 1);
  finish (&b);
  CHECK_REFUSED (&b, "invalid plan: op 3 CGROUP_JOIN: must come first: after it the host's cgroups are out of sight");
  begin_plan (&b, 0, 0);
  put_op (&b, OP_UMASK, 0);
  put_u32 (&b, 0);
  put_ns_path (&b, CLONE_NEWNS);
  finish (&b);
  CHECK_REFUSED (&b, "invalid plan: op 2 NS_PATH: comes after work in the namespaces of the plan");
  begin_plan (&b, CLONE_NEWNS | CLONE_NEWUSER, 0);
  finish (&b);
  CHECK_REFUSED (&b, "invalid plan: clone flags 0x10020000 name more than supported namespaces");
  begin_plan (&b, CLONE_NEWNS | CLONE_NEWUSER, PLAN_JOIN);
  finish (&b);
  CHECK (accepts (&b));
}

TEST ("plan_decode() refuses maps that are not maps, and mounts that use none of the plan's") {
  static const char *const bad[] = { "",         "0 1",       "0 1 1",   "0 1 1 1\n",        "0  1 1\n",
                                     "-1 1 1\n", "0 1 1\n\n", "a 1 1\n", "0 1 12345678901\n" };
  char long_map[4100];
  struct builder b;

  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    begin_plan (&b, 0, 0);
    put_texts (&b, OP_USERNS, 0, "0 1 1\n", bad[i]);
    finish (&b);
    CHECK_REFUSED (&b, "invalid plan: op 1 USERNS: gid_map is not lines of three numbers");
  }
  for (size_t i = 0; i < sizeof long_map - 1; i++)
    long_map[i] = "1 1 1\n"[i % 6];
  long_map[4098] = '\0';
  begin_plan (&b, 0, 0);
  put_texts (&b, OP_USERNS, 0, long_map, "0 1 1\n");
  finish (&b);
  CHECK_REFUSED (&b, "invalid plan: op 1 USERNS: uid_map is not lines of three numbers");
  for (uint32_t id = 0; id <= 65; id += 65) {
    begin_plan (&b, 0, 0);
    for (uint32_t i = 1; i < id; i++) {
      put_op (&b, OP_IDMAP, 0);
      put_u32 (&b, i);
      put_str (&b, "0 1 1\n");
      put_str (&b, "0 1 1\n");
    }
    put_op (&b, OP_IDMAP, 0);
    put_u32 (&b, id);
    put_str (&b, "0 1 1\n");
    put_str (&b, "0 1 1\n");
    finish (&b);
    CHECK_REFUSED (&b, id == 0 ? "invalid plan: op 1 IDMAP: id is not the next one"
                               : "invalid plan: op 65 IDMAP: id is not the next one");
  }
  for (int i = 0; i < 2; i++) {
    begin_plan (&b, NEW_ALL, 0);
    put_op (&b, OP_PROPAGATION, 0);
    put_u64 (&b, MS_SLAVE);
    put_texts (&b, OP_ROOT_BIND, 0, "/source", "/staging");
    put_u32 (&b, i == 0 ? 1 : IDMAP_CONTAINER);
    finish (&b);
    CHECK_REFUSED (&b, "invalid plan: op 2 ROOT_BIND: idmap is not one that the plan has made");
  }
}

TEST ("take_str() and take_blob() never read past the end") {
  uint8_t bytes[] = { 3, 0, 0, 0, 'a', 'b', 'c', 0 };
  struct fields f = fields_of (bytes, 7);

  CHECK_TEXT (take_str (&f), "");
  CHECK (f.bad && take_u32 (&f) == 0 && !fields_complete (&f));
  f = fields_of (bytes, 8);
  CHECK_TEXT (take_str (&f), "abc");
  CHECK (fields_complete (&f));
  f = fields_of (bytes, 6);
  CHECK (take_blob (&f).size == 0 && f.bad);
}

static void put_report (struct builder *b) {
  put_op (b, OP_IDENTITY, OPF_REPORT);
  for (int i = 0; i < 2; i++) {
    put_u32 (b, ID_NONE);
    put_u32 (b, 0);
    put_str (b, "");
  }
  put_strv (b, STRV ());
  put_u32 (b, 1);
}

TEST ("plan_decode() takes an IDENTITY that reports for a plan's end, behind PIVOT alone") {
  struct builder b;

  begin_plan (&b, CLONE_NEWNS, 0);
  put_some_root (&b);
  put_some_pivot (&b);
  put_report (&b);
  end_plan (&b);
  CHECK (accepts (&b));
  begin_plan (&b, CLONE_NEWNS, 0);
  put_some_root (&b);
  put_report (&b);
  CHECK_REFUSED (&b, "invalid plan: op 3 IDENTITY: reports before PIVOT");
  begin_plan (&b, CLONE_NEWNS, 0);
  put_some_root (&b);
  put_some_pivot (&b);
  put_report (&b);
  finish (&b);
  CHECK_REFUSED (&b, "invalid plan: op 5 EXEC: comes after the plan's end");
}

int main (int argc, char **argv) {
  return run_tests (argc, argv);
}
