/* Links that move into a container, from a network namespace of this test's own. Needs root, busybox-static and `ip`. */
#include <net/if.h>

#include "sandbox.h"

static const char *links_missing;

#define NEEDS_LINKS()                                                                                                  \
  do {                                                                                                                 \
    NEEDS_SANDBOX ();                                                                                                  \
    if (links_missing != NULL)                                                                                         \
      SKIP (links_missing);                                                                                            \
    must (run ("for l in va vb vc vd; do ip link del $l 2>/dev/null; done; ip link add va type veth peer name vb &&"   \
               "ip link add vc type veth peer name vd && ip link set va mtu 1400 up && ip link set vb up"),            \
          "ip link add");                                                                                              \
  } while (0)

static bool run (const char *command) {
  return system (command) == 0;
}

static void put_netdev (struct builder *b, const char *name, const char *new_name) {
  put_texts (b, OP_NETDEV, 0, name, new_name);
}

static void put_rest (struct builder *b, const char *script) {
  put_root (b);
  put_mount (b, "proc", "/proc", STRV (), KERNEL_FS, 0);
  put_mount (b, "sysfs", "/sys", STRV (), KERNEL_FS, 0);
  put_pivot (b, false);
  put_command (b, script);
}

/* Addresses as "inet 10.0.0.1/24 brd ..", one a line, without times. */
#define ADDRESSES(name) "busybox ip addr show dev " name " | grep inet | grep -v fe80: | while read a; do echo $a; done"

TEST ("a link comes with its addresses and is up, under its new name") {
  struct builder b;
  NEEDS_LINKS ();
  MUST (
      run ("ip addr add 10.9.0.1/24 brd 10.9.0.77 dev va && ip addr add 10.9.0.2/24 dev va &&"
           "ip addr add 10.9.1.1 peer 10.9.1.2/32 dev va && ip addr add 169.254.7.7/16 scope link dev va &&"
           "ip addr add fd00:9::1/64 dev va nodad && ip addr add 10.9.9.9/24 valid_lft 100 preferred_lft 100 dev va"));

  begin_plan (&b, ALL_NEW, 0);
  put_netdev (&b, "va", "eth0");
  put_rest (&b, "ls /sys/class/net; cat /sys/class/net/eth0/mtu /sys/class/net/eth0/operstate;" ADDRESSES ("eth0"));
  CHECK_RUN (run_plan (&b), "eth0\nlo\n1400\nup\n"
                            "inet 10.9.0.1/24 brd 10.9.0.77 scope global eth0\n"
                            "inet 10.9.1.1 peer 10.9.1.2/32 scope global eth0\n"
                            "inet 10.9.0.2/24 scope global secondary eth0\n"
                            "inet6 fd00:9::1/64 scope global flags 02\n");
  CHECK (if_nametoindex ("va") == 0 && if_nametoindex ("eth0") == 0);
}

TEST ("several links move, one into a name that the kernel completes") {
  struct builder b;
  NEEDS_LINKS ();
  MUST (run ("ip addr add 10.9.3.1/24 dev vc"));

  begin_plan (&b, ALL_NEW, 0);
  put_netdev (&b, "va", "net%d");
  put_netdev (&b, "vc", "net%d");
  put_rest (&b, "ls /sys/class/net;" ADDRESSES ("net1"));
  CHECK_RUN (run_plan (&b), "lo\nnet0\nnet1\ninet 10.9.3.1/24 scope global net1\n");
}

TEST ("a link moves into a namespace that is given by path, past an index that is taken there") {
  struct builder b;
  char path[64];
  int ready[2];
  NEEDS_LINKS ();

  /* A namespace that has links of its own with every low index. */
  MUST (pipe2 (ready, O_CLOEXEC) == 0);
  pid_t holder = fork ();
  if (holder == 0) {
    must (unshare (CLONE_NEWNET) == 0, "unshare");
    for (int i = 0; i < 20; i++)
      must (run ("ip link add type veth"), "ip link add");
    must (write (ready[1], "x", 1) == 1, "write");
    pause ();
  }
  char byte;
  MUST (read (ready[0], &byte, 1) == 1);
  snprintf (path, sizeof path, "/proc/%d/ns/net", holder);
  begin_plan (&b, ALL_NEW & ~(uint32_t) CLONE_NEWNET, 0);
  put_op (&b, OP_NS_PATH, 0);
  put_u32 (&b, CLONE_NEWNET);
  put_str (&b, path);
  put_netdev (&b, "va", "eth%d");
  put_rest (&b, "cat /sys/class/net/eth0/operstate; [ $(cat /sys/class/net/eth0/ifindex) -gt 40 ] && echo moved on");
  struct outcome *o = run_plan (&b);
  close (ready[0]);
  close (ready[1]);
  kill (holder, SIGKILL);
  waitpid (holder, NULL, 0);
  CHECK_RUN (o, "up\nmoved on\n");
}

TEST ("links that cannot move leave everything as it was, and nobody has been started") {
  struct builder b;
  NEEDS_LINKS ();
  MUST (run ("ip addr add 10.9.4.1/24 dev va && ip addr add fd00:9::4/64 dev va nodad"));

  begin_plan (&b, ALL_NEW, 0);
  put_netdev (&b, "va", "eth0");
  put_netdev (&b, "nothing", "eth1");
  put_rest (&b, "true");
  CHECK_FAILS (run_plan (&b), ENODEV, "cannot find the network device \"nothing\"");
  begin_plan (&b, ALL_NEW, 0);
  put_netdev (&b, "va", "eth0");
  put_netdev (&b, "vc", "lo");
  put_rest (&b, "true");
  struct outcome *o = run_plan (&b);
  CHECK_FAILS (o, EEXIST, "cannot name a network device \"lo\" in the container");
  CHECK (o->err.op == 2 && o->code == -1);
  CHECK (
      run ("ip -o addr show dev va up | grep -q 'inet 10.9.4.1/24' && ip -o addr show dev va | grep -q fd00:9::4/64 &&"
           "ip -o link show dev va | grep -q 'mtu 1400' && ip link show dev vc | grep -q DOWN"));
}

TEST ("a container in this network namespace takes no links, by whatever path") {
  struct builder b;
  NEEDS_LINKS ();

  begin_plan (&b, ALL_NEW & ~(uint32_t) CLONE_NEWNET, 0);
  put_op (&b, OP_NS_PATH, 0);
  put_u32 (&b, CLONE_NEWNET);
  put_str (&b, "/proc/self/ns/net");
  put_netdev (&b, "va", "eth0");
  put_rest (&b, "true");
  CHECK_FAILS (run_plan (&b), EINVAL, "cannot move network devices: the container is in the host's network namespace");
  CHECK (if_nametoindex ("va") != 0);
}

int main (int argc, char **argv) {
  open_sandbox ();
  if (sandbox_missing == NULL && unshare (CLONE_NEWNET) < 0)
    links_missing = "needs the right to make network namespaces";
  else if (sandbox_missing == NULL && !run ("ip link add va type veth peer name vb 2>/dev/null"))
    links_missing = "needs ip(8) and a kernel with veth";
  int result = run_tests (argc, argv);
  close_sandbox ();
  return result;
}
