/* Whatever bytes come, plan_decode() reads within them; and what it accepts can be read again field by field. */
#include <linux/sched.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mount.h>

#include "fields.h"
#include "fuzz.h"
#include "plan_builder.h"

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size) {
  struct plan p;
  struct err e;

  if (plan_decode (data, size, &p, &e) < 0)
    return 0;
  const struct plan_op_view *last = &p.ops[p.op_count - 1];
  struct fields f = fields_of (last->payload, last->size);
  struct strings argv = take_strv (&f);
  bool hooks_alone = true;
  for (uint32_t i = 0; i < p.op_count; i++)
    hooks_alone = hooks_alone && p.ops[i].kind == OP_HOOK;
  bool is_end = last->kind == OP_EXEC
                    ? argv.count > 0
                    : last->kind == OP_LEAVE || (last->kind == OP_IDENTITY && (last->flags & OPF_REPORT) != 0);
  if (p.op_count == 0 || !(hooks_alone || is_end))
    abort ();
  plan_release (&p);
  return 0;
}

static void put_foreign (struct builder *b) {
  begin_plan (b, CLONE_NEWNS, PLAN_FOREIGN | PLAN_TERMINAL);
  put_op (b, OP_FINALLY, 0);
  put_strv (b, STRV ("/bin/runtime", "delete"));
  put_strv (b, STRV ("A=1"));
  put_u32 (b, 5);
  put_op (b, OP_COMMAND, 0);
  put_strv (b, STRV ("/bin/runtime", "create"));
  put_strv (b, STRV ("A=1"));
  put_u32 (b, 5);
  put_str (b, "pid");
  put_str (b, "console");
  put_op (b, OP_SYNC, 0);
  put_op (b, OP_LEAVE, 0);
}

static void put_start (struct builder *b) {
  begin_plan (b, CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWNET, 0);
  put_text (b, OP_CGROUP_CREATE, 0, "/cg/a");
  put_op (b, OP_NS_PATH, 0);
  put_u32 (b, CLONE_NEWIPC);
  put_str (b, "/proc/1/ns/ipc");
  put_texts (b, OP_USERNS, 0, "0 100000 65536\n", "0 100000 1000\n1000 200000 7\n");
  put_op (b, OP_IDMAP, 0);
  put_u32 (b, 1);
  put_str (b, "0 7 1\n");
  put_str (b, "0 4294967294 1\n");
  put_op (b, OP_PROPAGATION, 0);
  put_u64 (b, MS_SLAVE);
  put_op (b, OP_ROOT_OVERLAY, 0);
  put_strv (b, STRV ("/l1", "/l2"));
  put_str (b, "/upper");
  put_str (b, "/work");
  put_strv (b, STRV ("volatile", "index=off"));
  put_str (b, "/staging");
  put_u32 (b, IDMAP_CONTAINER);
  put_mount (b, "tmpfs", "/dev", STRV ("mode=755"), MOUNT_ATTR_NOSUID, 0);
  put_bind (b, "/src", "/dst", MOUNT_ATTR_RDONLY, OPF_RECURSIVE);
  put_device (b, "/dev/null", 1, 3);
  put_texts (b, OP_SYMLINK, 0, "pts/ptmx", "/dev/ptmx");
  put_text (b, OP_MASK, 0, "/proc/kcore");
  put_op (b, OP_PIVOT, 0);
  put_u32 (b, 1);
  put_texts (b, OP_SYSCTL, 0, "net/ipv4/ip_forward", "1");
  put_text (b, OP_HOSTNAME, 0, "box");
  put_op (b, OP_SECCOMP, 0);
  put_u32 (b, 0);
  put_blob (b, "12345678", 8);
  put_str (b, "/run/agent.sock");
  put_strv (b, STRV ("{\"pid\":", "}"));
  put_exec (b, STRV ("sh", "-c", "true"), STRV ("A=1", "PATH=/bin"), "/bin");
  end_plan (b);
}

/* Seeds for the driver without libFuzzer. */
size_t fuzz_seed (unsigned n, uint8_t *out, size_t room) {
  struct builder b;

  if (n == 0)
    put_start (&b);
  else if (n == 1) {
    put_foreign (&b);
    end_plan (&b);
  } else {
    begin_plan (&b, JOIN_ALL, PLAN_JOIN);
    put_op (&b, OP_IDENTITY, 0);
    put_u32 (&b, ID_NAME);
    put_u32 (&b, 0);
    put_str (&b, "app");
    put_u32 (&b, ID_NUMBER);
    put_u32 (&b, 5);
    put_str (&b, "");
    put_strv (&b, STRV ("wheel", "7"));
    put_u32 (&b, 1);
    put_exec (&b, STRV ("sh"), STRV ("A=1"), "/bin");
    end_plan (&b);
  }
  size_t size = b.size < room ? b.size : room;
  memcpy (out, b.bytes, size);
  free (b.bytes);
  return n < 2 ? size : 0;
}
