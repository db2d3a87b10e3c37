/* Containers in a user namespace, for tests. */
#ifndef GANTRY_USERNS_SANDBOX_H
#define GANTRY_USERNS_SANDBOX_H

#include "sandbox.h"

#define FIRST 100000
#define MAP "0 100000 65536\n"
#define NEW_AND_CGROUP (ALL_NEW | CLONE_NEWCGROUP)
#define JOIN_USER (JOIN_ALL | CLONE_NEWUSER)

static inline void put_userns (struct builder *b, const char *map) {
  put_texts (b, OP_USERNS, 0, map, map);
}

static inline void put_idmap (struct builder *b, uint32_t id, const char *map) {
  put_op (b, OP_IDMAP, 0);
  put_u32 (b, id);
  put_str (b, map);
  put_str (b, map);
}

static inline void put_overlay (struct builder *b, uint32_t idmap) {
  put_op (b, OP_PROPAGATION, 0);
  put_u64 (b, MS_SLAVE);
  put_op (b, OP_ROOT_OVERLAY, 0);
  put_strv (b, STRV (BOX ("lower")));
  put_str (b, BOX ("upper"));
  put_str (b, BOX ("work"));
  put_strv (b, STRV ());
  put_str (b, BOX ("staging"));
  put_u32 (b, idmap);
}

static inline void put_mapped_bind (struct builder *b, const char *source, const char *target, uint32_t idmap,
                                    uint16_t flags) {
  put_op (b, OP_BIND, flags);
  put_str (b, source);
  put_str (b, target);
  for (int i = 0; i < 5; i++)
    put_u64 (b, 0);
  put_u32 (b, idmap);
  put_str (b, "");
}

/* Everything a container has, in a user namespace, up to the pivot. */
static inline void begin_in_userns (struct builder *b, uint32_t flags) {
  begin_plan (b, NEW_AND_CGROUP, flags);
  put_userns (b, MAP);
  put_overlay (b, IDMAP_CONTAINER);
  put_kernel_trees (b);
  if ((flags & PLAN_TERMINAL) != 0) {
    put_op (b, OP_CONSOLE, 0);
    put_u32 (b, 30);
    put_u32 (b, 100);
    put_u32 (b, 0);
  }
  put_protections (b);
}

static inline struct outcome *run_in_userns (const char *script) {
  struct builder b;

  begin_in_userns (&b, 0);
  put_pivot (&b, false);
  put_command (&b, script);
  return run_plan (&b);
}

/* Owner of a path as the host's disk has it. */
static inline const char *owner_of (const char *path) {
  static char text[64];
  struct stat st;

  if (lstat (path, &st) < 0)
    return strerror (errno);
  snprintf (text, sizeof text, "%u:%u", st.st_uid, st.st_gid);
  return text;
}

static inline void run_sleeper (struct builder *b, struct container *c, struct outcome *o, int *out) {
  put_command (b, "echo ready; sleep 1000; true");
  *out = start_plan (b, -1, c, o);
  must (*out >= 0, o->err.text);
  await_output (out, o);
}

static inline void end_sleeper (struct container *c, struct outcome *o, int *out) {
  kill (c->pid, SIGKILL);
  attend (c, out, o);
  container_release (c);
}

#endif
