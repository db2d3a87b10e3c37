/* A hook is somebody's program: it gets a clean process, is waited for, and what it says ends up in the error. Killed
 * half-way, its parent takes the hook along; what a hook did to the host is its operator's to undo. */
#include "hooks.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "fields.h"
#include "plan.h"
#include "plan_copy.h"
#include "program.h"

struct hook {
  const char *path, *head, *tail;
  struct strings argv, env;
  uint32_t timeout_s;
};

/* Field by field: the order in which arguments of a call are taken is nobody's promise. */
static struct hook take_hook (const struct plan_op_view *op, uint32_t *stage) {
  struct fields f = fields_of (op->payload, op->size);
  struct hook h;

  *stage = take_u32 (&f);
  h.path = take_str (&f);
  h.argv = take_strv (&f);
  h.env = take_strv (&f);
  h.timeout_s = take_u32 (&f);
  h.head = take_str (&f);
  h.tail = take_str (&f);
  return h;
}

static bool is_hook_of (const struct plan_op_view *op, uint32_t stage) {
  struct fields f = fields_of (op->payload, op->size);

  return op->kind == OP_HOOK && take_u32 (&f) == stage;
}

int hooks_copy (const struct plan *p, uint32_t stage, struct plan **out, struct err *e) {
  return plan_copy_ops (p, is_hook_of, stage, out, e);
}

static int judge (const struct program *program, const struct program_end *end, uint32_t index, struct err *e) {
  char how[64];

  if (end->failure != 0)
    return err_set (e, end->failure, "error running hook #%u: cannot execute \"%.200s\"", index, program->path);
  if (program_ended_well (program, end, how))
    return 0;
  return err_set (e, 0, "error running hook #%u: %s, stdout: %s, stderr: %s", index, how, end->out, end->err);
}

static int run (const struct hook *h, uint32_t index, pid_t pid, struct err *e) {
  struct program program = { .path = h->path, .argv = h->argv, .env = h->env, .timeout_s = h->timeout_s };
  size_t room = strlen (h->head) + strlen (h->tail) + 16;
  char *document = malloc (room);
  struct program_end end;

  if (document == NULL)
    return err_set (e, ENOMEM, "cannot write the state for a hook");
  program.input = document;
  program.input_bytes = (size_t) snprintf (document, room, "%s%d%s", h->head, pid, h->tail);
  int result = program_run (&program, &end, e) < 0 ? -1 : judge (&program, &end, index, e);
  free (document);
  return result;
}

int hooks_run (const struct plan *p, uint32_t stage, pid_t pid, struct err *e) {
  uint32_t index = 0, of_stage;
  int result = 0;

  for (uint32_t i = 0; result == 0 && i < p->op_count; i++) {
    if (!is_hook_of (&p->ops[i], stage))
      continue;
    struct hook h = take_hook (&p->ops[i], &of_stage);
    result = run (&h, index++, pid, e);
  }
  return result;
}
