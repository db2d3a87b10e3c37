/* Hooks as the shim runs them: by container_sync, under the sanitizers. Needs root and busybox-static. */
#include "hooks.h"
#include "plan_copy.h"

#include "fields.h"

#include "sandbox.h"

static void put_hook (struct builder *b, uint32_t stage, const char *script, uint32_t timeout_s) {
  put_op (b, OP_HOOK, 0);
  put_u32 (b, stage);
  put_str (b, "/bin/busybox");
  put_strv (b, STRV ("sh", "-c", script));
  put_strv (b, STRV ("PATH=" PATH));
  put_u32 (b, timeout_s);
  put_str (b, "pid ");
  put_str (b, ".\n");
}

static void put_hooks (struct builder *b, uint32_t stage) {
  put_op (b, OP_HOOKS, 0);
  put_u32 (b, stage);
}

/* In a pid namespace and the host's files. */
static struct outcome *run_with_hooks (const char *first, const char *second) {
  struct builder b;

  begin_plan (&b, CLONE_NEWPID, 0);
  put_hook (&b, HOOK_RUNTIME, first, 0);
  put_hook (&b, HOOK_RUNTIME, second, 0);
  put_hook (&b, HOOK_START, "cat; echo not its stage", 0);
  put_hooks (&b, HOOK_RUNTIME);
  put_op (&b, OP_SYNC, 0);
  put_command (&b, "echo $$ runs");
  return run_plan (&b);
}

TEST ("hooks of the runtime are run while the child waits, with its pid") {
  NEEDS_SANDBOX ();

  CHECK_RUN (run_with_hooks ("cat >" BOX ("seen"), "echo second >>" BOX ("seen")), "1 runs\n");
  int pid = 0;
  CHECK (sscanf (read_text (BOX ("seen")), "pid %d.\nsecond", &pid) == 1 && pid > 1);
  CHECK (strstr (read_text (BOX ("seen")), "second") != NULL);
}

TEST ("a hook that fails ends the child") {
  NEEDS_SANDBOX ();

  struct outcome *o = run_with_hooks ("exit 4", "echo second >" BOX ("seen"));
  CHECK_FAILS (o, 0, "error running hook #0: exit status 4, stdout: , stderr: ");
  CHECK (o->code == 128 + SIGKILL);
  CHECK_TEXT (o->out, "");
  CHECK (access (BOX ("seen"), F_OK) < 0);
}

TEST ("of what a hook writes the end is kept, on one line") {
  NEEDS_SANDBOX ();

  struct outcome *o = run_with_hooks ("i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done; "
                                      "printf 'a\\001b\\n\\n' >&2; exit 1",
                                      "true");
  CHECK (strstr (o->err.text, "exit status 1, stdout: ") != NULL);
  CHECK (strstr (o->err.text, "line 2998 line 2999, stderr: a b") != NULL);
  CHECK (strstr (o->err.text, "line 2900") == NULL);
}

TEST ("hooks_copy keeps one stage, in order, when the plan is gone") {
  struct builder b;
  struct plan p, *copy;
  struct err e;

  begin_plan (&b, 0, 0);
  put_hook (&b, HOOK_POSTSTOP, "a", 1);
  put_hook (&b, HOOK_RUNTIME, "b", 2);
  put_hook (&b, HOOK_POSTSTOP, "c", 3);
  put_command (&b, "");
  end_plan (&b);
  MUST (plan_decode (b.bytes, b.size, &p, &e) == 0);
  CHECK (hooks_copy (&p, HOOK_START, &copy, &e) == 0 && copy == NULL);
  CHECK (hooks_copy (&p, HOOK_POSTSTOP, &copy, &e) == 0 && copy != NULL);
  plan_release (&p);
  memset (b.bytes, 0xff, b.size);
  free (b.bytes);
  CHECK (copy->op_count == 2);
  for (uint32_t i = 0; i < 2; i++) {
    struct fields f = fields_of (copy->ops[i].payload, copy->ops[i].size);
    CHECK (take_u32 (&f) == HOOK_POSTSTOP);
    CHECK_TEXT (take_str (&f), "/bin/busybox");
    take_strv (&f);
    take_strv (&f);
    CHECK (take_u32 (&f) == (i == 0 ? 1 : 3));
  }
  plan_copy_free (copy);
}

int main (int argc, char **argv) {
  return run_tests_in_sandbox (argc, argv);
}
