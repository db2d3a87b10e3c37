/**
 * Deliberate holes, each a small edit of the sources, and the test that must notice it. A security test that passes on the
 * weakened build guards nothing. `npm run weaken` (tools/weaken.ts) makes and judges all of them.
 */
export interface Edit {
  /** Below the checkout. */
  readonly file: string;
  /** Must stand in the file exactly once. */
  readonly find: string;
  readonly replace: string;
}

export interface Weakening {
  /** Of the defence that is taken away. */
  readonly name: string;
  /** What an attacker gains, and where that has happened before. */
  readonly why: string;
  readonly edits: readonly Edit[];
  /**
   * A test file, and a part of the name of a test in it that passes on the sound build and fails on this one. A file of
   * native/test is run as a whole.
   */
  readonly test: { readonly file: string; readonly name: string };
}

const ESCAPE = "test/integration/security/escape.test.ts";
const LINKS = "test/integration/security/links.test.ts";
const RACES = "test/integration/security/races.test.ts";
const IDENTITY = "test/integration/security/identity.test.ts";
const KERNEL = "test/integration/security/kernel.test.ts";
const PRIVILEGES = "test/integration/security/privileges.test.ts";
const PLAN = "native/test/plan_test.c";
const USERNS = "native/test/userns_test.c";
const IDMAP = "native/test/idmap_test.c";

/** In the order of the catalogue of container escapes: programs, descriptors, mounts, masks, terminals, /proc, ... */
export const WEAKENINGS: readonly Weakening[] = [
  // ---- the runtime's own programs ----
  {
    name: "shim-from-its-file",
    why: "the program that enters containers could be overwritten from inside one (CVE-2019-5736)",
    edits: [
      {
        file: "src/cmd/daemon.ts",
        find: "pathOfDescriptor(native.sealedExecutable(nativeParts.shim))",
        replace: "nativeParts.shim",
      },
    ],
    test: { file: ESCAPE, name: "neither the shim nor init can be overwritten from inside" },
  },
  {
    name: "executable-not-sealed",
    why: "a copy in memory that can be written to is no better than the file. While it runs the kernel refuses writes, too; between two starts only the seals do. F_SEAL_EXEC of an executable implies the one against writing, so both go",
    edits: [
      {
        file: "native/addon/files.c",
        find: "F_SEAL_WRITE | F_SEAL_GROW",
        replace: "F_SEAL_GROW",
      },
      {
        file: "native/addon/files.c",
        find: "  if (fcntl (to, F_ADD_SEALS, seals | F_SEAL_EXEC) == 0)",
        replace: "  if (fcntl (to, F_ADD_SEALS, seals) == 0)",
      },
    ],
    test: {
      file: "src/linux/native.test.ts",
      name: "sealedExecutable() gives an executable copy that nothing can change",
    },
  },
  {
    name: "runs-its-own-program",
    why: "an entry point that is a link to /proc/self/exe makes the runtime run itself in the container, the first step of CVE-2019-5736",
    edits: [
      {
        file: "native/src/exec.c",
        find: "sys_openat2 (AT_FDCWD, path, O_PATH, 0, RESOLVE_NO_MAGICLINKS)",
        replace: "sys_openat2 (AT_FDCWD, path, O_PATH, 0, 0)",
      },
    ],
    test: { file: ESCAPE, name: "a program that leads back to the runtime's own is not executed" },
  },
  // ---- descriptors and the working directory ----
  {
    name: "descriptors-stay-open",
    why: "a host directory's descriptor in the container is a way out (CVE-2024-21626)",
    edits: [
      {
        file: "native/src/init.c",
        find: '  return sys_close_range (from, ~0u, 0) < 0 ? err_set (e, errno, "cannot close descriptors") : 0;',
        replace: "  return 0;",
      },
      {
        file: "native/src/exec.c",
        find: "  if (sys_close_range (in->first_own_fd, ~0u, CLOSE_RANGE_CLOEXEC) < 0 && !in->is_swept)",
        replace: "  if (fcntl (in->root_fd, F_SETFD, 0) < 0 && dup (in->root_fd) < 0)",
      },
    ],
    test: { file: ESCAPE, name: "nothing beyond 0-2 is open" },
  },
  {
    name: "working-directory-through-a-descriptor",
    why: "CVE-2024-21626: chdir by path, to a directory of the host that is open still. Each of the three alone is not enough: the check of getcwd, RESOLVE_NO_MAGICLINKS and the closed descriptor guard the same door",
    edits: [
      {
        file: "native/src/root.c",
        find: '  auto_fd old_root = open ("/", O_PATH | O_DIRECTORY | O_CLOEXEC);',
        replace: '  int old_root = open ("/", O_PATH | O_DIRECTORY | O_CLOEXEC);',
      },
      {
        file: "native/src/cwd.c",
        find: "  return directory < 0 ? -1 : fchdir (directory);",
        replace: "  return directory < 0 ? chdir (path) : fchdir (directory);",
      },
      {
        file: "native/src/cwd.c",
        find: "  return at[0] == '/' ? 0 : err_set",
        replace: "  return at[0] != '\\0' ? 0 : err_set",
      },
    ],
    test: { file: LINKS, name: "a working directory through a descriptor never shows the host" },
  },
  {
    name: "old-root-stays",
    why: "whoever enters the container's mount namespace starts from what is on top of /: an exec would be on the host. Either check_top or the unmount alone is enough to stop it",
    edits: [
      {
        file: "native/src/root.c",
        find: '  if (umount2 (".", MNT_DETACH) < 0)',
        replace: "  if (old_root < 0)",
      },
      {
        file: "native/src/root.c",
        find: "  return root.stx_mnt_id == top.stx_mnt_id ? 0 :",
        replace: "  return root.stx_mnt_id != 0 ? 0 :",
      },
    ],
    test: { file: ESCAPE, name: "an exec starts from the container's root" },
  },
  // ---- mount targets ----
  {
    name: "paths-leave-the-root",
    why: "without RESOLVE_IN_ROOT an absolute link of the image leads to the host (CVE-2021-30465, CVE-2026-41579)",
    edits: [
      {
        file: "native/src/inroot.c",
        find: "  return look_up (root, path, flags, resolve | RESOLVE_IN_ROOT);",
        replace:
          '  path += strspn (path, "/");\n  return look_up (root, *path == \'\\0\' ? "." : path, flags, resolve);',
      },
    ],
    test: { file: LINKS, name: "set-up of /dev, /proc, /sys and /etc follows no link out of the image" },
  },
  {
    name: "targets-made-by-name",
    why: "looked up, then made by its path: a neighbour exchanges a component in between and the directory is made on the host (CVE-2024-45310)",
    edits: [
      {
        file: "native/src/inroot.c",
        find: "    if (make_next (root, at, make, mode, &links, made) < 0)",
        replace:
          "    if ((make != MAKE_DIRECTORY || usleep (300) < 0 || mkdirat (root, at + 1, mode) < 0) &&\n        make_next (root, at, make, mode, &links, made) < 0)",
      },
    ],
    test: { file: RACES, name: "a mount target that is exchanged for a link leads nowhere outside" },
  },
  {
    name: "volume-led-into-proc",
    why: "a link of the image lets a volume stand in for the kernel's settings (CVE-2025-52881 and its kin)",
    edits: [
      {
        file: "native/src/mounts.c",
        find: "  if (fs.f_type != PROC_SUPER_MAGIC && fs.f_type != SYSFS_MAGIC)\n    return 0;",
        replace: "  if (fs.f_type != 0)\n    return 0;",
      },
    ],
    test: { file: LINKS, name: "a volume is not led into the kernel's own files by a link" },
  },
  // ---- masks ----
  {
    name: "masked-by-the-containers-null",
    why: "CVE-2025-31133: the container's /dev/null, a link, puts a writable setting in the place of a masked file",
    edits: [
      {
        file: "native/src/masks.c",
        find: '  auto_fd null = open_tree (in->null_fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);',
        replace: '  auto_fd null = open_tree (in->root_fd, "dev/null", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);',
      },
    ],
    test: { file: ESCAPE, name: "a masked path cannot be unmasked by the image's own /dev/null" },
  },
  {
    name: "mask-fails-open",
    why: "what cannot be masked was left as it is (runc before 8476df83b)",
    edits: [
      {
        file: "native/src/masks.c",
        find: '    return errno == ENOENT || errno == ENOTDIR ? 0 : err_set (e, errno, "cannot mask',
        replace: '    return errno != 0 ? 0 : err_set (e, errno, "cannot mask',
      },
    ],
    test: { file: ESCAPE, name: "a path that cannot be masked or write-protected is an error" },
  },
  {
    name: "write-protection-fails-open",
    why: "as with masks",
    edits: [
      {
        file: "native/src/masks.c",
        find: '    return errno == ENOENT ? 0 : err_set (e, errno, "cannot write-protect',
        replace: '    return errno != 0 ? 0 : err_set (e, errno, "cannot write-protect',
      },
    ],
    test: { file: ESCAPE, name: "a path that cannot be masked or write-protected is an error" },
  },
  // ---- terminals ----
  {
    name: "console-by-path",
    why: "CVE-2025-52565: the place of /dev/console is a link, and something is made or mounted where it leads",
    edits: [
      {
        file: "native/src/console.c",
        find: '  bool made;\n  auto_fd target = inroot_reach (in->root_fd, "/dev/console", MAKE_FILE, 0600, &made);',
        replace:
          '  auto_fd target = openat (in->root_fd, "dev/console", O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CREAT | O_CLOEXEC, 0600);',
      },
    ],
    test: { file: ESCAPE, name: "a terminal is not put in the place that a link in /dev names" },
  },
  // ---- /proc and the kernel's other trees ----
  {
    name: "mounts-inside-proc",
    why: "a volume over /proc/self/attr or /proc/sys takes the runtime's own writes (CVE-2019-16884, CVE-2019-19921)",
    edits: [
      {
        file: "src/runtime/compile-mounts.ts",
        find: "  checkNotInsideProc(placed);",
        replace: "",
      },
      {
        file: "src/runtime/compile-mounts.ts",
        find: "function checkNotInsideProc(",
        replace: "export function checkNotInsideProc(",
      },
    ],
    test: { file: LINKS, name: "a mount on or below /proc is refused" },
  },
  {
    name: "writes-to-the-containers-proc",
    why: "settings and labels written by path go to whatever lies there (CVE-2025-52881). The refusal of mounts inside /proc would hide it, so it is taken away, too",
    edits: [
      {
        file: "src/runtime/compile-mounts.ts",
        find: "  checkNotInsideProc(placed);",
        replace: "",
      },
      {
        file: "src/runtime/compile-mounts.ts",
        find: "function checkNotInsideProc(",
        replace: "export function checkNotInsideProc(",
      },
      {
        file: "native/src/procfs.c",
        find: "  return sys_openat2 (in->proc_fd, path, (uint64_t) flags, 0,",
        replace:
          '  char by_path[600];\n  snprintf (by_path, sizeof by_path, "proc/%.500s", path);\n  int fd = openat (in->root_fd, by_path, flags | O_CLOEXEC);\n  if (fd >= 0)\n    return fd;\n  return sys_openat2 (in->proc_fd, path, (uint64_t) flags, 0,',
      },
    ],
    test: { file: LINKS, name: "sysctls are written to the kernel, not to what lies over /proc" },
  },
  {
    name: "links-in-the-kernels-trees",
    why: "an image whose /proc, /sys or /dev is a link (CVE-2023-27561, CVE-2023-28642). RESOLVE_IN_ROOT keeps it inside, so nothing is lost at once; what is set up by one name is then another thing by the other",
    edits: [
      {
        file: "native/src/inroot.c",
        find: "inroot_is_kernel_tree (path) ? RESOLVE_NO_SYMLINKS : 0",
        replace: "inroot_is_kernel_tree (path) ? 0 : 0",
      },
    ],
    test: {
      file: LINKS,
      name: "an image whose /proc, /sys or /dev is a link, even within it, does not start",
    },
  },
  // ---- the working directory's making ----
  {
    name: "working-directory-made-from-outside",
    why: "CVE-2026-55686: a missing working directory made while the host is in sight, through the image's links",
    edits: [
      {
        file: "native/src/root.c",
        find: "  fd_close (&in->null_fd);\n  fd_close (&in->stage_fd);",
        replace:
          "  for (uint32_t i = 0; i < in->plan->op_count; i++)\n    if (in->plan->ops[i].kind == OP_CWD) {\n      struct fields cwd = fields_of (in->plan->ops[i].payload, in->plan->ops[i].size);\n      if (mkdirat (in->root_fd, take_str (&cwd) + 1, 0755) < 0)\n        errno = 0;\n    }\n  fd_close (&in->null_fd);\n  fd_close (&in->stage_fd);",
      },
    ],
    test: { file: LINKS, name: "a working directory is made inside" },
  },
  // ---- control groups ----
  {
    name: "cgroups-writable",
    why: "a container that writes to its control groups lifts its own limits; with release_agent it runs programs on the host (CVE-2022-0492)",
    edits: [
      {
        file: "src/engine/containers/spec-mounts.ts",
        find: "options: [...(writableCgroups ? [] : readonly), ...safe],",
        replace: "options: safe,",
      },
    ],
    test: { file: KERNEL, name: "control groups cannot be mounted, joined or used" },
  },
  {
    name: "cgroup-parent-climbs",
    why: "a parent with .. or a line break names control groups of others (CVE-2024-3154, crun 1.28). Both the engine's grammar and the runtime's check are taken away: either alone refuses it",
    edits: [
      {
        file: "src/engine/containers/spec.ts",
        find: "  if (!isSafe || parts.length > 20)",
        replace: "  if (!isSafe && parts.length > 20)",
      },
      {
        file: "src/linux/cgroup-paths.ts",
        find: "    !isSafe ||\n",
        replace: "",
      },
      {
        file: "src/linux/cgroup-paths.ts",
        find: "    hasControlCharacter(path)\n",
        replace: '    path === ""\n',
      },
    ],
    test: { file: KERNEL, name: "a cgroup parent stays below the root of the hierarchy" },
  },
  {
    name: "exec-outside-the-limits",
    why: "a process that joins a container without its control groups has neither its limits nor its device rules",
    edits: [
      {
        file: "src/runtime/compile.ts",
        find: "    ...execCgroupJoins(options),",
        replace: "    ...execCgroupJoins(options).slice(0, 0),",
      },
    ],
    test: { file: KERNEL, name: "an exec is in the control groups of its container" },
  },
  // ---- capabilities ----
  {
    name: "capabilities-inheritable",
    why: "a program with inheritable file capabilities gives them to any user (CVE-2022-24769, CVE-2022-29162)",
    edits: [
      {
        file: "src/engine/containers/spec.ts",
        find: "capabilities: { bounding: names, effective: names, permitted: names },",
        replace: "capabilities: { bounding: names, effective: names, permitted: names, inheritable: names },",
      },
    ],
    test: { file: IDENTITY, name: "a program with inheritable file capabilities gives a user nothing" },
  },
  {
    name: "bounding-set-stays",
    why: "file capabilities and set-user-id programs gain what is in it",
    edits: [
      {
        file: "native/src/security.c",
        find: "    if ((keep >> capability & 1) != 0)\n      continue;",
        replace: "    if ((keep >> capability & 1) != 0 || capability > 9)\n      continue;",
      },
    ],
    test: { file: PRIVILEGES, name: "are what the golden file says" },
  },
  {
    name: "no-new-privileges-forgotten",
    why: "what was asked for as the last line of defence is not there",
    edits: [
      {
        file: "src/engine/containers/spec.ts",
        find: "...(security.noNewPrivileges ? { noNewPrivileges: true } : {}),",
        replace: "",
      },
    ],
    test: { file: PRIVILEGES, name: "are what the golden file says" },
  },
  // ---- users and groups ----
  {
    name: "primary-group-not-among-the-groups",
    why: "a file that denies its group does not deny it to who has dropped it from the list (CVE-2022-36109)",
    edits: [
      {
        file: "native/src/identity.c",
        find: "  return group_search_add (s, user->gid, e);",
        replace: "  return s->count > 65535 ? group_search_add (s, user->gid, e) : 0;",
      },
    ],
    test: { file: IDENTITY, name: "groups: the primary one is always there" },
  },
  {
    name: "groups-of-the-shim-stay",
    why: "the process keeps whatever groups who started the engine had (CVE-2022-2989 and its kin)",
    edits: [
      {
        file: "native/src/identity.c",
        find: "  if (setgroups (s->count, s->groups) < 0 &&",
        replace: "  if (s->count > 65535 && setgroups (s->count, s->groups) < 0 &&",
      },
    ],
    test: { file: IDENTITY, name: "groups: the primary one is always there" },
  },
  {
    name: "numbers-looked-up-as-names",
    why: "a number out of range is looked up in the image's passwd and becomes root (CVE-2024-40635, CVE-2016-3697)",
    edits: [
      {
        file: "src/engine/containers/user.ts",
        find: '  if (/^[+-]?[0-9]+$/.test(part)) return { kind: "number", id: parseId(part, whole) };',
        replace:
          '  if (/^[0-9]+$/.test(part) && Number(part) <= MAX_ID) return { kind: "number", id: parseId(part, whole) };',
      },
      {
        file: "src/engine/containers/user.ts",
        find: String.raw`  if (!/^[A-Za-z_][\w.@\\+-]*\$?$/.test(part) || part.length > MAX_NAME_BYTES) throw invalid(whole);`,
        replace: "  if (part.length > MAX_NAME_BYTES) throw invalid(whole);",
      },
    ],
    test: { file: IDENTITY, name: "a user that is a number is that number or an error" },
  },
  {
    name: "passwd-that-blocks",
    why: "a named pipe for /etc/passwd hangs the start for ever (CVE-2024-9676). Without the check for a regular file alone, O_NONBLOCK and the limit still end the reading",
    edits: [
      {
        file: "native/src/accounts.c",
        find: "O_RDONLY | O_NONBLOCK | O_NOCTTY",
        replace: "O_RDONLY | O_NOCTTY",
      },
      {
        file: "native/src/accounts.c",
        find: "  if (fstat (r->fd, &st) < 0 || !S_ISREG (st.st_mode)) {",
        replace: "  if (fstat (r->fd, &st) < 0) {",
      },
    ],
    test: { file: IDENTITY, name: "passwd and group of the image are read with care" },
  },
  {
    name: "passwd-without-a-limit",
    why: "gigabytes are read before the start fails (CVE-2025-4437, CVE-2026-47262)",
    edits: [
      {
        file: "native/src/accounts.c",
        find: "#define FILE_LIMIT (10u << 20)",
        replace: "#define FILE_LIMIT (~0u)",
      },
    ],
    test: { file: IDENTITY, name: "passwd and group of the image are read with care" },
  },
  // ---- devices ----
  {
    name: "devices-not-denied",
    why: "rules that begin by allowing are no rules (GHSA-g54h-m393-cpwq)",
    edits: [
      {
        file: "src/linux/device-rules.ts",
        find: "  return [first ?? denyAll, ...",
        replace: "  return [{ ...(first ?? denyAll), allow: true }, ...",
      },
    ],
    test: { file: KERNEL, name: "devices of the host cannot be opened" },
  },
  // ---- system calls ----
  {
    name: "exec-without-the-filter",
    why: "whoever can exec in the container has all system calls (A15)",
    edits: [
      {
        file: "src/runtime/compile.ts",
        find: '      seccomp: seccompSteps({ spec, taskId, bundle }, facts, "running"),',
        replace: '      seccomp: seccompSteps({ spec, taskId, bundle }, facts, "running").slice(0, 0),',
      },
    ],
    test: { file: KERNEL, name: "dangerous system calls are refused in run and exec" },
  },
  {
    name: "empty-profile-is-no-profile",
    why: "CVE-2023-2431: an empty name of a profile ran unconfined",
    edits: [
      {
        file: "src/engine/containers/security-options.ts",
        find: '  if (value === "") throw invalid(1, option);',
        replace: '  if (value === "") return { kind: "unconfined" };',
      },
    ],
    test: { file: KERNEL, name: "a profile that is empty, broken or missing confines nobody by accident" },
  },
  {
    name: "x32-let-through",
    why: "the same calls by other numbers",
    edits: [
      {
        file: "src/linux/seccomp-compile.ts",
        find: '  if (isListed) return callRanges(context, "x32", X32_BIT);',
        replace: "  if (isListed) return [{ start: X32_BIT, target: answer(SECCOMP_RET.allow) }];",
      },
    ],
    test: { file: KERNEL, name: "dangerous system calls are refused in run and exec" },
  },
  {
    name: "32-bit-calls-let-through",
    why: "int 0x80 reaches the same kernel with i386's numbers",
    edits: [
      {
        file: "src/linux/seccomp-compile.ts",
        find: "    const tree = search(program, merged([...callRanges(context, abi, 0), ...above]));",
        replace:
          '    const tree = abi === "x86" ? answer(SECCOMP_RET.allow) : search(program, merged([...callRanges(context, abi, 0), ...above]));',
      },
    ],
    test: { file: KERNEL, name: "dangerous system calls are refused in run and exec" },
  },
  {
    name: "unlisted-architectures-let-through",
    why: "a profile that lists one architecture is meant to keep the others out",
    edits: [
      {
        file: "src/linux/seccomp-compile.ts",
        find: "  let next = answer(SECCOMP_RET.killProcess);",
        replace: "  let next = answer(SECCOMP_RET.allow);",
      },
    ],
    test: { file: "src/linux/seccomp-compile.test.ts", name: "kills on an architecture that is not listed" },
  },
  // ---- what tells about the host ----
  {
    name: "masked-list-shorter",
    why: "keys of the host's users and its pending timers can be read in any container",
    edits: [
      {
        file: "src/engine/containers/spec.ts",
        find: '  "/proc/keys",\n',
        replace: "",
      },
    ],
    test: { file: KERNEL, name: "what tells about the host is empty or read-only" },
  },
  {
    name: "read-only-list-shorter",
    why: "a setting below /proc/sys, core_pattern, runs a program on the host",
    edits: [
      {
        file: "src/engine/containers/spec.ts",
        find: '  "/proc/sys",\n',
        replace: "",
      },
    ],
    test: { file: KERNEL, name: "what tells about the host is empty or read-only" },
  },
  // ---- the plan ----
  {
    name: "plan-read-past-its-end",
    why: "CVE-2021-43784: a length that is believed",
    edits: [
      {
        file: "native/src/fields.c",
        find: "  if (f->bad || size > f->left) {",
        replace: "  if (f->bad) {",
      },
    ],
    test: { file: PLAN, name: "plan_decode() refuses a plan that is cut off anywhere" },
  },
  {
    name: "plan-of-the-hosts-mounts",
    why: "a plan that mounts without a mount namespace of its own, from a TypeScript that errs, would mount on the host",
    edits: [
      {
        file: "native/src/plan_order.c",
        find: '    return plan_refuse (s, "", "needs a new mount namespace");',
        replace: "    return 0;",
      },
    ],
    test: { file: PLAN, name: "plan_decode() refuses mounts that would be the host's" },
  },
  {
    name: "plan-of-the-hosts-settings",
    why: "as before, for sysctls; the same check stands in TypeScript (sysctls-of-the-host takes both away)",
    edits: [
      {
        file: "native/src/plan_values.c",
        find: '  return plan_refuse (s, "key", "does not belong to a namespace");',
        replace: "  return 0;",
      },
    ],
    test: { file: PLAN, name: "plan_decode() refuses settings that would be the host's" },
  },
  // ---- sysctls and the host's namespaces ----
  {
    name: "sysctls-of-the-host",
    why: "CVE-2022-0811: a setting of the whole machine, core_pattern, runs a program as root. Two checks, in TypeScript and in C, and either alone refuses it",
    edits: [
      {
        file: "src/linux/sysctl.ts",
        find: "  if (namespace === undefined)\n",
        replace: '  if (namespace === undefined && path === "")\n',
      },
      {
        file: "src/linux/sysctl.ts",
        find: "  if (!notHost.has(namespace)) throw fail(",
        replace: "  if (namespace !== undefined && !notHost.has(namespace)) throw fail(",
      },
      {
        file: "native/src/plan_values.c",
        find: '  return plan_refuse (s, "key", "does not belong to a namespace");',
        replace: "  return 0;",
      },
    ],
    test: { file: KERNEL, name: "only sysctls of the container's own namespaces can be set" },
  },
  {
    name: "sysctls-with-the-hosts-network",
    why: "CVE-2022-0532: with a namespace of the host the setting is the host's",
    edits: [
      {
        file: "src/linux/sysctl.ts",
        find: "  if (!notHost.has(namespace)) throw fail(",
        replace: '  if (!notHost.has(namespace) && path === "") throw fail(',
      },
      {
        file: "native/src/plan_values.c",
        find: "      return (s->namespaces & owners[i].namespace) != 0\n                 ? 0\n                 :",
        replace: "      return owners[i].namespace != 0\n                 ? 0\n                 :",
      },
    ],
    test: { file: KERNEL, name: "only sysctls of the container's own namespaces can be set" },
  },
  {
    name: "host-renamed",
    why: "with the host's UTS namespace the container's name would become the host's. Engine, compiler and decoder each refuse: all three are taken away",
    edits: [
      {
        file: "src/engine/containers/spec.ts",
        find: '  const isOwnUts = host.UTSMode !== "host";\n  return {',
        replace: "  const isOwnUts = true;\n  return {",
      },
      {
        file: "src/engine/containers/spec.ts",
        find: 'hostname !== "" ? { hostname } : {}',
        replace: 'hostname !== "" ? { hostname: `renamed-${hostname.slice(0, 20)}` } : {}',
      },
      {
        file: "src/runtime/compile.ts",
        find: '  if (!notHost.has("uts"))',
        replace: '  if (!notHost.has("mount"))',
      },
      {
        file: "native/src/plan_order.c",
        find: '    return (s->namespaces & CLONE_NEWUTS) != 0 ? 0 : plan_refuse (s, "", "would rename the host");',
        replace: "    return 0;",
      },
    ],
    test: { file: KERNEL, name: "with the host's namespaces nothing of the host is renamed" },
  },
  // ---- processes that hold pieces of the host ----
  {
    name: "traceable-while-set-up",
    why: "who shares the pid namespace finds the host's directories in /proc/PID/fd of a container that is being set up (CVE-2016-9962)",
    edits: [
      {
        file: "native/src/container.c",
        find: "  if (prctl (PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)",
        replace: "  if (prctl (PR_SET_DUMPABLE, 1, 0, 0, 0) < 0)",
      },
      {
        file: "native/src/init.c",
        find: "  return prctl (PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ?",
        replace: "  return prctl (PR_SET_DUMPABLE, 1, 0, 0, 0) < 0 ?",
      },
    ],
    test: { file: KERNEL, name: "a container born in a neighbour's pid namespace shows it nothing" },
  },
  {
    name: "exec-born-early",
    why: "a process that joins is in the container's pid namespace only when it has nothing to give away: with CAP_SYS_PTRACE inside, not being dumpable does not help",
    edits: [
      {
        file: "native/src/init.c",
        find: "#include <poll.h>\n",
        replace: "#include <poll.h>\n#include <sched.h>\n",
      },
      {
        file: "native/src/init.c",
        find: "  if (take_stdio (in, e) < 0 || close_foreign (in, e) < 0)\n    return -1;",
        replace:
          "  if ((in->plan->flags & PLAN_JOIN) != 0 && (setns (in->init_pidfd, CLONE_NEWPID) < 0 || be_born_inside (in, e) < 0))\n    return -1;\n  if (take_stdio (in, e) < 0 || close_foreign (in, e) < 0)\n    return -1;",
      },
      {
        file: "native/src/exec.c",
        find: "  if ((in->plan->flags & PLAN_JOIN) != 0 && be_born_inside (in, e) < 0)",
        replace: "  if (in->root_fd == 0 && be_born_inside (in, e) < 0)",
      },
    ],
    test: { file: KERNEL, name: "a process of the container sees no descriptor of the host" },
  },
  // ---- user namespaces ----
  {
    name: "groups-in-a-user-namespace",
    why: "groups of the host that are mapped nowhere still open the host's files (user_namespaces(7))",
    edits: [
      {
        file: "native/src/birth.c",
        find: '    return err_set (e, errno, "cannot leave the supplementary groups");\n  if (setns (in->user_fd',
        replace:
          '    return err_set (e, errno, "cannot leave the supplementary groups");\n  if (setgroups (1, (gid_t[]){ 4 }) < 0)\n    return -1;\n  if (setns (in->user_fd',
      },
    ],
    test: { file: USERNS, name: "the process is root inside, nobody outside, and has no group of the host" },
  },
  {
    name: "mounts-not-locked",
    why: "what is made read-only inside the user namespace, and not before the way into it, its root can make writable again",
    edits: [
      {
        file: "native/src/mounts.c",
        find: "      set_attributes (mount, attr_set, attr_clr, 0, path, e) < 0)",
        replace: "      (in->maps == NULL && set_attributes (mount, attr_set, attr_clr, 0, path, e) < 0))",
      },
      {
        file: "native/src/mounts.c",
        find: "  for (int i = 0; i < 5; i++)\n    propagation = take_u64 (f);",
        replace:
          "  uint64_t late = take_u64 (f);\n  for (int i = 0; i < 4; i++)\n    propagation = take_u64 (f);",
      },
      {
        file: "native/src/mounts.c",
        find: "  if (mount < 0)\n    return -1;\n  take_u32 (f);\n  bool is_file",
        replace:
          "  if (mount < 0 || (in->maps != NULL && set_attributes (mount, late, 0, 0, path, e) < 0))\n    return -1;\n  take_u32 (f);\n  bool is_file",
      },
    ],
    test: {
      file: IDMAP,
      name: "with every capability of its namespace the container can neither write to nor take apart what it was given",
    },
  },
];
