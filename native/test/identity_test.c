/* Who the process is: look-ups in hostile etc/passwd and etc/group, credentials, capabilities, seccomp. Needs root and
 * busybox-static. */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/syscall.h>

#include "sandbox.h"

#define WHO                                                                                                            \
  "w() { echo $3; }; w $(grep Uid /proc/self/status); w $(grep Gid /proc/self/status); grep Groups /proc/self/status " \
  "| tr '\\t' ' '; echo HOME=$HOME"

static struct outcome *run_as (struct identity id) {
  struct builder b;

  begin_container (&b, 0);
  put_identity (&b, id);
  put_caps (&b, id.user == NULL ? DOCKER_CAPS : 0, 0);
  put_command (&b, WHO);
  return run_plan (&b);
}

TEST ("users and groups are found as Docker finds them") {
  const struct {
    struct identity id;
    const char *expected;
  } cases[] = {
    { { NULL, NULL, NULL, true }, "0\n0\nGroups: 0 \nHOME=/root\n" },
    { { "root", NULL, NULL, true }, "0\n0\nGroups: 0 \nHOME=/root\n" },
    { { "app", NULL, NULL, true }, "1000\n1001\nGroups: 10 50 1001 \nHOME=/home/app\n" },
    { { "1000", NULL, NULL, true }, "1000\n1001\nGroups: 10 50 1001 \nHOME=/home/app\n" },
    { { "1234", NULL, NULL, true }, "1234\n0\nGroups: 0 \nHOME=/\n" },
    { { "1234", "1235", NULL, true }, "1234\n1235\nGroups: 1235 \nHOME=/\n" },
    { { "app", "staff", NULL, true }, "1000\n50\nGroups: 50 \nHOME=/home/app\n" },
    { { "app", "77", NULL, true }, "1000\n77\nGroups: 77 \nHOME=/home/app\n" },
    { { NULL, "staff", NULL, true }, "0\n50\nGroups: 50 \nHOME=/root\n" },
    { { "0", "50", NULL, false }, "0\n50\nGroups: 50 \nHOME=\n" },
    { { "app", NULL, (const char *const[]){ "wheel", "88", NULL }, false },
      "1000\n1001\nGroups: 10 50 88 1001 \nHOME=\n" },
    { { "app", "app", (const char *const[]){ "4294967294", "root", "0", NULL }, false },
      "1000\n1001\nGroups: 0 1001 4294967294 \nHOME=\n" },
    { { "4294967294", NULL, NULL, true }, "4294967294\n0\nGroups: 0 \nHOME=/\n" },
  };
  NEEDS_SANDBOX ();

  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    CHECK_RUN (run_as (cases[i].id), cases[i].expected);
}

TEST ("users and groups that are not there are errors in Docker's words") {
  NEEDS_SANDBOX ();

  CHECK_FAILS (run_as ((struct identity){ .user = "nobody" }), ENOENT,
               "unable to find user nobody: no matching entries in passwd file");
  CHECK_FAILS (run_as ((struct identity){ .user = "app", .group = "nog" }), ENOENT,
               "unable to find group nog: no matching entries in group file");
  CHECK_FAILS (run_as ((struct identity){ .add_groups = STRV ("wheel", "nog") }), ENOENT,
               "Unable to find group nog: no matching entries in group file");
  CHECK_FAILS (run_as ((struct identity){ .add_groups = STRV ("4294967295") }), 0,
               "cannot add the group \"4294967295\": it is out of range");
  CHECK_FAILS (run_as ((struct identity){ .add_groups = STRV ("99999999999999999999") }), 0,
               "cannot add the group \"99999999999999999999\": it is out of range");
}

TEST ("a missing passwd file is like an empty one") {
  NEEDS_SANDBOX ();
  MUST (unlink (BOX ("lower/etc/passwd")) == 0 && unlink (BOX ("lower/etc/group")) == 0);
  CHECK_RUN (run_as ((struct identity){ .user = "1000", .want_home = true }), "1000\n0\nGroups: 0 \nHOME=/\n");
  CHECK_FAILS (run_as ((struct identity){ .user = "app" }), ENOENT,
               "unable to find user app: no matching entries in passwd file");
}

TEST ("rows with wrong numbers, too few fields or odd blanks give nobody root's powers") {
  NEEDS_SANDBOX ();
  write_text (BOX ("lower/etc/passwd"), "\n#:#:#\nbad:x:zz:55::/bad:\nshort:x\nthree:x:1005\nminus:x:-1:-1::/"
                                        ":\nhuge:x:4294967296:0::/:\nlast:x:4294967295:0::/:\n"
                                        "hex:x:0x0:0::/:\nempty:x:::/:\n:x:0:0::/:\n  spaced:x:1006:1006::/sp  "
                                        "\r\nfour:x:1007:1008\nnohome:x:1009:1009:::\nnext:x: 5:5::/:\n"
                                        "twice:x:1010:1010::/1:\ntwice:x:0:0::/2:\nend:x:1011:1011::/end");
  write_text (BOX ("lower/etc/group"), "g0:x:zz:end,app\ng1:x\ng2:x:2:xend,en,end x\ng3:x:3: "
                                       "end\ng4:x:4:,,end\ng5:x:5:app,end\ng6:x:6:end:more\ng7:x:7:end   \n:x:8:end");

  static const char *const nobodies[] = { "bad", "short", "three", "minus", "huge", "last",
                                          "hex", "empty", "next",  "#",     "0x0",  "1e3" };
  for (size_t i = 0; i < sizeof nobodies / sizeof *nobodies; i++) {
    char expected[128];
    if (strcmp (nobodies[i], "0x0") == 0)
      continue;
    snprintf (expected, sizeof expected, "unable to find user %s: no matching entries in passwd file", nobodies[i]);
    CHECK_FAILS (run_as ((struct identity){ .user = nobodies[i] }), ENOENT, expected);
  }
  CHECK_RUN (run_as ((struct identity){ .user = "spaced", .want_home = true }),
             "1006\n1006\nGroups: 1006 \nHOME=/sp\n");
  CHECK_RUN (run_as ((struct identity){ .user = "four", .want_home = true }), "1007\n1008\nGroups: 1008 \nHOME=\n");
  CHECK_RUN (run_as ((struct identity){ .user = "nohome", .want_home = true }), "1009\n1009\nGroups: 1009 \nHOME=\n");
  CHECK_RUN (run_as ((struct identity){ .user = "twice", .want_home = true }), "1010\n1010\nGroups: 1010 \nHOME=/1\n");
  CHECK_RUN (run_as ((struct identity){ .user = "end", .want_home = true }),
             "1011\n1011\nGroups: 4 5 6 7 1011 \nHOME=/end\n");
}

TEST ("an account file that is not a plain file of bearable size is refused at once") {
  NEEDS_SANDBOX ();
  const char *passwd = BOX ("lower/etc/passwd");

  MUST (unlink (passwd) == 0 && mkfifo (passwd, 0644) == 0);
  CHECK_FAILS (run_as ((struct identity){ .user = "app" }), 0, "cannot read \"/etc/passwd\": it is not a regular file");
  MUST (unlink (passwd) == 0 && mkdir (passwd, 0755) == 0);
  CHECK_FAILS (run_as ((struct identity){ .user = "app" }), 0, "cannot read \"/etc/passwd\": it is not a regular file");
  MUST (rmdir (passwd) == 0 && symlink ("/dev/zero", passwd) == 0);
  CHECK_FAILS (run_as ((struct identity){ .user = "app" }), 0, "cannot read \"/etc/passwd\": it is not a regular file");
  MUST (unlink (passwd) == 0 && symlink ("../../outside/secret", passwd) == 0);
  CHECK_FAILS (run_as ((struct identity){ .user = "app" }), ENOENT,
               "unable to find user app: no matching entries in passwd file");
  MUST (unlink (passwd) == 0 && symlink ("/proc/self/fd/0", passwd) == 0);
  CHECK_FAILS (run_as ((struct identity){ .user = "app" }), ELOOP, "cannot open \"/etc/passwd\"");
  MUST (unlink (passwd) == 0);
  write_text (passwd, "");
  MUST (truncate (passwd, 4ll << 30) == 0);
  CHECK_FAILS (run_as ((struct identity){ .user = "app" }), 0, "cannot read \"/etc/passwd\": it is larger than 10 MiB");
}

TEST ("a row may have a line of any length before and after it") {
  NEEDS_SANDBOX ();
  size_t size = 9u << 20;
  char *text = malloc (size + 200);

  MUST (text != NULL);
  memset (text, 'x', size);
  strcpy (text + size, "\napp:x:1000:1001:a very long line precedes:/home/app:/bin/sh\n");
  text[100000] = ':';
  write_text (BOX ("lower/etc/passwd"), text);
  memset (text, ',', size);
  memcpy (text, "long:x:7:", 9);
  strcpy (text + size, "app\nstaff:x:50:app\n");
  write_text (BOX ("lower/etc/group"), text);
  free (text);
  CHECK_RUN (run_as ((struct identity){ .user = "app", .want_home = true }),
             "1000\n1001\nGroups: 7 50 1001 \nHOME=/home/app\n");
}

TEST ("a user in a million groups is refused, not waited for") {
  NEEDS_SANDBOX ();
  FILE *group = fopen (BOX ("lower/etc/group"), "w");
  struct timespec start, end;

  MUST (group != NULL);
  for (int i = 1; i < 500000; i++)
    fprintf (group, "g:x:%d:app\n", i);
  fclose (group);
  clock_gettime (CLOCK_MONOTONIC, &start);
  CHECK_FAILS (run_as ((struct identity){ .user = "app" }), 0, "cannot set more than 65536 supplementary groups");
  clock_gettime (CLOCK_MONOTONIC, &end);
  CHECK (end.tv_sec - start.tv_sec <= 2);
}

TEST ("HOME of the environment wins unless it is empty") {
  const struct {
    const char *const *env;
    const char *expected;
  } cases[] = {
    { (const char *const[]){ "HOME=/mine", "X=1", NULL }, "HOME=/mine\nX=1\n" },
    { (const char *const[]){ "HOME=", "X=1", NULL }, "HOME=/home/app\nX=1\n" },
    { (const char *const[]){ "X=1", "HOMER=2", NULL }, "X=1\nHOMER=2\nHOME=/home/app\n" },
    { (const char *const[]){ NULL }, "HOME=/home/app\n" },
  };
  NEEDS_SANDBOX ();

  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct builder b;
    begin_plan (&b, CLONE_NEWNS, 0);
    put_root (&b);
    put_pivot (&b, false);
    put_identity (&b, (struct identity){ .user = "app", .want_home = true });
    put_exec (&b, STRV ("/bin/env"), cases[i].env, PATH);
    CHECK_RUN (run_plan (&b), cases[i].expected);
  }
}

TEST ("standard output belongs to the user and can be opened again") {
  struct builder b;
  NEEDS_SANDBOX ();
  begin_container (&b, 0);
  put_identity (&b, (struct identity){ .user = "app" });
  put_caps (&b, 0, 0);
  put_command (&b, "echo again > /dev/stdout; stat -L -c %u /dev/stdin /dev/stdout");
  CHECK_RUN (run_plan (&b), "again\n0\n1000\n"); /* stdin is the null device, which stays root's */
}

/* ---- the working directory and the user ---- */

TEST ("a working directory that only root may enter works before the identity and fails after it") {
  NEEDS_SANDBOX ();
  for (int after = 0; after < 2; after++) {
    struct builder b;
    begin_container (&b, 0);
    if (after == 0)
      put_text (&b, OP_CWD, 0, "/root");
    put_identity (&b, (struct identity){ .user = "app" });
    put_caps (&b, 0, 0);
    if (after == 1)
      put_text (&b, OP_CWD, 0, "/root");
    put_command (&b, "pwd");
    if (after == 0)
      CHECK_RUN (run_plan (&b), "/root\n");
    else
      CHECK_FAILS (run_plan (&b), EACCES, "chdir to cwd (\"/root\") set in config.json failed");
  }
}

/* ---- capabilities and filters ---- */

static struct outcome *run_with_caps (const char *user, uint64_t bounding, uint64_t mask, uint64_t ambient,
                                      bool no_new_privs) {
  struct builder b;

  begin_container (&b, 0);
  put_op (&b, OP_BOUNDING, 0);
  put_u64 (&b, bounding);
  put_identity (&b, (struct identity){ .user = user });
  put_caps (&b, mask, ambient);
  if (no_new_privs)
    put_op (&b, OP_NO_NEW_PRIVS, 0);
  put_command (&b, "grep -E 'Cap|NoNew' /proc/self/status | tr '\\t' ' '");
  return run_plan (&b);
}

TEST ("capabilities are what the plan says, for root and for a user") {
  NEEDS_SANDBOX ();
  CHECK_RUN (run_with_caps (NULL, DOCKER_CAPS, DOCKER_CAPS, 0, false),
             "CapInh: 0000000000000000\nCapPrm: 00000000a80425fb\nCapEff: 00000000a80425fb\nCapBnd: "
             "00000000a80425fb\nCapAmb: 0000000000000000\nNoNewPrivs: 0\n");
  CHECK_RUN (run_with_caps ("app", DOCKER_CAPS, DOCKER_CAPS, 0, true),
             "CapInh: 0000000000000000\nCapPrm: 0000000000000000\nCapEff: 0000000000000000\nCapBnd: "
             "00000000a80425fb\nCapAmb: 0000000000000000\nNoNewPrivs: 1\n");
  CHECK_RUN (run_with_caps ("app", DOCKER_CAPS, 0x2000, 0x2000, false),
             "CapInh: 0000000000002000\nCapPrm: 0000000000002000\nCapEff: 0000000000002000\nCapBnd: "
             "00000000a80425fb\nCapAmb: 0000000000002000\nNoNewPrivs: 0\n");
  CHECK_RUN (run_with_caps (NULL, 0, 0, 0, false),
             "CapInh: 0000000000000000\nCapPrm: 0000000000000000\nCapEff: 0000000000000000\nCapBnd: "
             "0000000000000000\nCapAmb: 0000000000000000\nNoNewPrivs: 0\n");
}

/* mkdir fails with errno 99, everything else works. */
static void put_filter (struct builder *b) {
  struct sock_filter filter[] = {
    BPF_STMT (BPF_LD | BPF_W | BPF_ABS, offsetof (struct seccomp_data, nr)),
#ifdef SYS_mkdir
    BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, SYS_mkdir, 1, 0),
#endif
    BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, SYS_mkdirat, 0, 1),
    BPF_STMT (BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 99),
    BPF_STMT (BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  put_op (b, OP_SECCOMP, 0);
  put_u32 (b, 0);
  put_blob (b, filter, sizeof filter);
  put_str (b, "");
  put_strv (b, STRV ());
}

TEST ("a seccomp filter works for a user, with no-new-privileges or without") {
  NEEDS_SANDBOX ();
  for (int no_new_privs = 0; no_new_privs < 2; no_new_privs++) {
    struct builder b;
    char expected[256];
    begin_container (&b, 0);
    put_identity (&b, (struct identity){ .user = "app" });
    if (no_new_privs == 0)
      put_filter (&b); /* takes CAP_SYS_ADMIN, which CAPS drops */
    put_caps (&b, 0, 0);
    if (no_new_privs == 1) {
      put_op (&b, OP_NO_NEW_PRIVS, 0);
      put_filter (&b);
    }
    put_command (&b, "grep -E 'CapEff|NoNew|Seccomp:' /proc/self/status | tr '\\t' ' '; mkdir /tmp/x 2>&1");
    snprintf (expected, sizeof expected,
              "CapEff: 0000000000000000\nNoNewPrivs: %d\nSeccomp: 2\nmkdir: can't create directory '/tmp/x': Cannot "
              "assign requested address\n",
              no_new_privs);
    struct outcome *o = run_plan (&b);
    CHECK_TEXT (o->out, expected);
    CHECK (o->started && o->code == 1);
  }
}

TEST ("a seccomp filter that the kernel refuses is fatal") {
  struct builder b;
  NEEDS_SANDBOX ();
  begin_container (&b, 0);
  put_op (&b, OP_SECCOMP, 0);
  put_u32 (&b, 0);
  put_blob (&b, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
  put_str (&b, "");
  put_strv (&b, STRV ());
  put_command (&b, "true");
  CHECK_FAILS (run_plan (&b), EINVAL, "cannot install the seccomp filter");
}

/* ---- the reaper ---- */

static void begin_reaped (struct builder *b) {
  begin_container (b, 0);
  put_op (b, OP_REAPER, 0);
  put_op (b, OP_BOUNDING, 0);
  put_u64 (b, DOCKER_CAPS);
  put_identity (b, (struct identity){ .user = "app" });
  put_filter (b);
  put_caps (b, 0, 0);
}

TEST ("a reaper looks like docker-init, has the container's credentials and nothing open") {
  struct builder b;
  NEEDS_SANDBOX ();
  begin_container (&b, 0);
  put_op (&b, OP_BOUNDING, 0);
  put_u64 (&b, DOCKER_CAPS);
  put_identity (&b, (struct identity){ 0 });
  put_filter (&b);
  put_caps (&b, DOCKER_CAPS, 0);
  put_op (&b, OP_REAPER, 0);
  put_command (&b, "tr '\\0' '|' < /proc/1/cmdline; echo; cat /proc/1/comm; grep -E 'CapEff|CapBnd|Seccomp:|SigIgn' "
                   "/proc/1/status | tr '\\t' ' ';"
                   "cut() { echo $1 $4 $5 $6; }; cut $(cat /proc/$$/stat); ls /proc/1/fd 2>&1 | tail -1; cat "
                   "/proc/1/environ 2>/dev/null | wc -c; exit 7");
  struct outcome *o = run_plan (&b);
  CHECK_TEXT (strstr (o->out, "docker-init\nSig") == NULL ? o->out : strstr (o->out, "docker-init\nSig"),
              "docker-init\nSigIgn: 0000000000300000\nCapEff: 00000000a80425fb\nCapBnd: 00000000a80425fb\nSeccomp: "
              "2\n2 1 2 1\n2\n0\n");
  o->out[30] = 0;
  CHECK_TEXT (o->out, "/sbin/docker-init|--|sh|-c|tr ");
  CHECK (o->started && o->code == 7);
}

TEST ("a reaper reports failures of execve and death by signal as they are") {
  struct builder b;
  NEEDS_SANDBOX ();
  begin_reaped (&b);
  put_exec (&b, STRV ("foo"), STRV (), PATH);
  CHECK_FAILS (run_plan (&b), ENOENT, "exec: \"foo\": executable file not found in $PATH");

  begin_reaped (&b);
  put_command (&b, "kill -KILL $$");
  CHECK (run_plan (&b)->code == 128 + SIGKILL);
}

TEST ("a reaper hands signals on and reaps orphans") {
  struct builder b;
  struct container c;
  struct outcome o;
  NEEDS_SANDBOX ();

  begin_reaped (&b);
  put_command (&b, "trap 'ls -d /proc/[0-9]* | wc -l; exit 3' USR1; (sleep 0.01 & sleep 0.01 &) ; sleep 0.2; echo "
                   "ready; while :; do sleep 0.01; done");
  int out = start_plan (&b, -1, &c, &o);
  MUST (out >= 0);
  await_output (&out, &o);
  kill (c.pid, SIGUSR1);
  attend (&c, &out, &o);
  container_release (&c);
  CHECK (o.code == 3);
  /* The reaper, the shell, ls and wc and perhaps the shell's next sleep; no zombies of the first two. */
  CHECK (strncmp (o.out, "ready\n", 6) == 0 && atoi (o.out + 6) >= 3 && atoi (o.out + 6) <= 4);
}

int main (int argc, char **argv) {
  return run_tests_in_sandbox (argc, argv);
}
