/* Names, limits and other plain settings of the process and its namespaces. */
#include <errno.h>
#include <linux/keyctl.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "fds.h"
#include "init.h"
#include "kernel.h"
#include "labels.h"

/* The kernel's default for a session keyring, and "search" for its owner, so that processes which did not inherit it
   can look keys up by it. */
#define KEYRING_PERMISSIONS 0x3f1b0000u

int step_hostname (struct init *in, struct fields *f, uint16_t flags, struct err *e) {
  (void) in;
  (void) flags;
  const char *name = take_str (f);
  return sethostname (name, strlen (name)) < 0 ? err_set (e, errno, "cannot set the host name \"%s\"", name) : 0;
}

int step_domainname (struct init *in, struct fields *f, uint16_t flags, struct err *e) {
  (void) in;
  (void) flags;
  const char *name = take_str (f);
  return setdomainname (name, strlen (name)) < 0 ? err_set (e, errno, "cannot set the domain name \"%s\"", name) : 0;
}

int step_loopback_up (struct init *in, struct fields *f, uint16_t flags, struct err *e) {
  (void) in;
  (void) f;
  (void) flags;
  struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };
  auto_fd any_socket = socket (AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

  if (any_socket < 0 || ioctl (any_socket, SIOCSIFFLAGS, &request) < 0)
    return err_set (e, errno, "cannot bring up the loopback interface");
  return 0;
}

int step_rlimit (struct init *in, struct fields *f, uint16_t flags, struct err *e) {
  (void) in;
  (void) flags;
  uint32_t resource = take_u32 (f);
  uint64_t soft = take_u64 (f), hard = take_u64 (f);
  struct rlimit limit = { .rlim_cur = soft, .rlim_max = hard };

  if (setrlimit ((__rlimit_resource_t) resource, &limit) < 0)
    return err_set (e, errno, "cannot set the resource limit %u", resource);
  return 0;
}

int step_umask (struct init *in, struct fields *f, uint16_t flags, struct err *e) {
  (void) flags;
  (void) e;
  in->umask = take_u32 (f);
  return 0;
}

int step_keyring (struct init *in, struct fields *f, uint16_t flags, struct err *e) {
  (void) flags;
  const char *name = take_str (f);

  if (label_keys (in, e) < 0)
    return -1;
  long ring = syscall (SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, name);

  if (ring < 0)
    return errno == ENOSYS || errno == EDQUOT ? 0 : err_set (e, errno, "cannot join the session keyring \"%s\"", name);
  if (syscall (SYS_keyctl, KEYCTL_SETPERM, ring, KEYRING_PERMISSIONS) < 0)
    return err_set (e, errno, "cannot set the permissions of the session keyring \"%s\"", name);
  return 0;
}
