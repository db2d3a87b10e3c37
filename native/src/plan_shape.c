/* What fields every op of a plan has, and that they are there. */
#include "plan_check.h"

#include <string.h>

#include "fields.h"

/* Field types as in plan.h: u u32, U u64, s str, v strv, b blob. Upper-case P and H in front of a str's name are
   checks: P: an absolute path, H: also without "..", as every place to mount on or to make is given. */
static const struct plan_op_shape shapes[PLAN_LAST_KIND + 1] = {
  [OP_CGROUP_CREATE] = { "CGROUP_CREATE", "s:Pdir", OPF_INHERIT },
  [OP_CGROUP_WRITE] = { "CGROUP_WRITE", "s:Pfile s:value", OPF_MAY_MISS },
  [OP_CGROUP_BPF] = { "CGROUP_BPF", "s:Pdir b:insns", 0 },
  [OP_OOM_FILE] = { "OOM_FILE", "s:Pfile", OPF_MAY_MISS },
  [OP_NS_PATH] = { "NS_PATH", "u:clone_flag s:Ppath", 0 },
  [OP_USERNS] = { "USERNS", "s:uid_map s:gid_map", 0 },
  [OP_IDMAP] = { "IDMAP", "u:id s:uid_map s:gid_map", 0 },
  [OP_HOOK] = { "HOOK", "u:stage s:Ppath v:argv v:env u:timeout_s s:state_head s:state_tail", 0 },
  [OP_NETDEV] = { "NETDEV", "s:name s:new_name", 0 },
  [OP_CGROUP_LEAVE] = { "CGROUP_LEAVE", "s:Pfile", 0 },
  [OP_CGROUP_OWNER] = { "CGROUP_OWNER", "s:Pdir u:uid v:files", 0 },
  [OP_FINALLY] = { "FINALLY", "v:argv v:env u:timeout_s", 0 },
  [OP_CGROUP_JOIN] = { "CGROUP_JOIN", "s:Pdir u:version", 0 },
  [OP_UNSHARE] = { "UNSHARE", "u:clone_flags", 0 },
  [OP_TIME_OFFSETS] = { "TIME_OFFSETS", "s:offsets", 0 },
  [OP_AFFINITY] = { "AFFINITY", "b:mask", 0 },
  [OP_PROPAGATION] = { "PROPAGATION", "U:propagation", 0 },
  [OP_ROOT_OVERLAY] = { "ROOT_OVERLAY", "v:lowers s:upper s:work v:options s:Pstaging u:idmap", OPF_IMAGES },
  [OP_ROOT_BIND] = { "ROOT_BIND", "s:Psource s:Pstaging u:idmap", 0 },
  [OP_MOUNT] = { "MOUNT", "s:fstype s:source s:Htarget v:options U:attrs U:propagation u:dir_mode u:idmap",
                 OPF_TARGET_MODE | OPF_COPY_UP },
  [OP_BIND] = { "BIND",
                "s:Psource s:Htarget U:attr_set U:attr_clr U:tree_attr_set U:tree_attr_clr U:propagation u:idmap "
                "s:beneath",
                OPF_RECURSIVE | OPF_TARGET_FILE | OPF_IDMAP_TREE | OPF_ELSEWHERE },
  [OP_DEVICE] = { "DEVICE", "s:Hpath u:type u:major u:minor u:mode u:uid u:gid", 0 },
  [OP_SYMLINK] = { "SYMLINK", "s:value s:Hpath", 0 },
  [OP_DIRECTORY] = { "DIRECTORY", "s:Hpath u:mode u:uid u:gid", 0 },
  [OP_MASK] = { "MASK", "s:Hpath", 0 },
  [OP_READONLY] = { "READONLY", "s:Hpath", OPF_TOP },
  [OP_CONSOLE] = { "CONSOLE", "u:rows u:cols u:uid", 0 },
  [OP_PIVOT] = { "PIVOT", "u:root_readonly", 0 },
  [OP_ROOT_PROPAGATION] = { "ROOT_PROPAGATION", "U:propagation", 0 },
  [OP_SYSCTL] = { "SYSCTL", "s:key s:value", 0 },
  [OP_HOSTNAME] = { "HOSTNAME", "s:name", 0 },
  [OP_DOMAINNAME] = { "DOMAINNAME", "s:name", 0 },
  [OP_LOOPBACK_UP] = { "LOOPBACK_UP", "", 0 },
  [OP_HOOKS] = { "HOOKS", "u:stage", 0 },
  [OP_RLIMIT] = { "RLIMIT", "u:resource U:soft U:hard", 0 },
  [OP_OOM_SCORE_ADJ] = { "OOM_SCORE_ADJ", "u:value", OPF_MAY_MISS },
  [OP_UMASK] = { "UMASK", "u:mask", 0 },
  [OP_KEYRING] = { "KEYRING", "s:name", 0 },
  [OP_SYNC] = { "SYNC", "", OPF_LOOKUP },
  [OP_REAPER] = { "REAPER", "", 0 },
  [OP_BOUNDING] = { "BOUNDING", "U:keep_mask", 0 },
  [OP_IDENTITY] = { "IDENTITY", "u:user_kind u:uid s:user u:group_kind u:gid s:group v:add_groups u:want_home",
                    OPF_REPORT },
  [OP_CAPS] = { "CAPS", "U:permitted U:effective U:inheritable U:ambient", 0 },
  [OP_CWD] = { "CWD", "s:Ppath", OPF_CREATE },
  [OP_NO_NEW_PRIVS] = { "NO_NEW_PRIVS", "", 0 },
  [OP_SECCOMP] = { "SECCOMP", "u:filter_flags b:filter s:listener v:state_parts", 0 },
  [OP_EXEC] = { "EXEC", "v:argv v:env s:search_path", 0 },
  [OP_PERSONALITY] = { "PERSONALITY", "u:persona", 0 },
  [OP_SCHEDULER] = { "SCHEDULER", "u:policy U:sched_flags u:nice u:priority U:runtime U:deadline U:period", 0 },
  [OP_IO_PRIORITY] = { "IO_PRIORITY", "u:ioprio", 0 },
  [OP_LABEL] = { "LABEL", "u:module s:label", 0 },
  [OP_COMMAND] = { "COMMAND", "v:argv v:env u:timeout_s s:pid_file s:console_socket", 0 },
  [OP_LEAVE] = { "LEAVE", "", 0 },
};

const struct plan_op_shape *plan_shape_of (uint16_t kind) {
  return kind <= PLAN_LAST_KIND && shapes[kind].name != NULL ? &shapes[kind] : NULL;
}

static bool climbs (const char *path) {
  for (; *path != '\0'; path += strcspn (path, "/")) {
    path += strspn (path, "/");
    if (strncmp (path, "..", 2) == 0 && (path[2] == '/' || path[2] == '\0'))
      return true;
  }
  return false;
}

static int check_field (struct plan_state *s, struct fields *f, char type, const char *label) {
  const char *text;
  char name[32];
  size_t n = strcspn (label, " ");
  char check = *label == 'P' || *label == 'H' ? *label : '\0';

  memcpy (name, label, n);
  name[n] = '\0';
  switch (type) {
  case 'u':
    take_u32 (f);
    break;
  case 'U':
    take_u64 (f);
    break;
  case 'v':
    take_strv (f);
    break;
  case 'b':
    take_blob (f);
    break;
  default:
    text = take_str (f);
    if (!f->bad && check != '\0' && text[0] != '/')
      return plan_refuse (s, name + 1, "is not an absolute path");
    if (!f->bad && check != '\0' && strlen (text) >= PLAN_PATH_LIMIT)
      return plan_refuse (s, name + 1, "is too long");
    if (!f->bad && check == 'H' && climbs (text))
      return plan_refuse (s, name + 1, "has a \"..\" in it");
  }
  return f->bad ? plan_refuse (s, name + (check != '\0'), "is damaged or cut off") : 0;
}

int plan_check_shape (struct plan_state *s, const struct plan_op_view *op) {
  struct fields f = fields_of (op->payload, op->size);

  for (const char *spec = s->shape->fields; *spec != '\0';) {
    if (check_field (s, &f, spec[0], spec + 2) < 0)
      return -1;
    spec += strcspn (spec, " ");
    spec += *spec == ' ';
  }
  if (f.left != 0)
    return plan_refuse (s, "", "has bytes left over");
  if ((op->flags & ~s->shape->flags) != 0)
    return plan_refuse (s, "op_flags", "has bits that this op does not know");
  return 0;
}
