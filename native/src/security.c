/* Capabilities, no-new-privileges and seccomp. */
#include <errno.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>

#include "init.h"
#include "kernel.h"

int step_bounding (struct init *in, struct fields *f, uint16_t flags, struct err *e) {
  (void) in;
  (void) flags;
  uint64_t keep = take_u64 (f);

  for (unsigned capability = 0; capability < 64; capability++) {
    if ((keep >> capability & 1) != 0)
      continue;
    if (prctl (PR_CAPBSET_DROP, capability, 0, 0, 0) < 0) {
      if (errno == EINVAL)
        return 0; /* the kernel knows no more */
      return err_set (e, errno, "cannot drop capability %u from the bounding set", capability);
    }
  }
  return 0;
}

static int set_capabilities (uint64_t permitted, uint64_t effective, uint64_t inheritable) {
  struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
  struct __user_cap_data_struct data[2] = {
    { (uint32_t) effective, (uint32_t) permitted, (uint32_t) inheritable },
    { (uint32_t) (effective >> 32), (uint32_t) (permitted >> 32), (uint32_t) (inheritable >> 32) },
  };
  return (int) syscall (SYS_capset, &header, data);
}

int step_caps (struct init *in, struct fields *f, uint16_t flags, struct err *e) {
  (void) in;
  (void) flags;
  uint64_t permitted = take_u64 (f), effective = take_u64 (f), inheritable = take_u64 (f), ambient = take_u64 (f);

  if (prctl (PR_SET_KEEPCAPS, 0, 0, 0, 0) < 0)
    return err_set (e, errno, "cannot stop keeping capabilities");
  if (set_capabilities (permitted, effective, inheritable) < 0)
    return err_set (e, errno, "cannot set capabilities");
  if (prctl (PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
    return err_set (e, errno, "cannot clear the ambient capabilities");
  for (unsigned capability = 0; capability < 64; capability++)
    if ((ambient >> capability & 1) != 0 && prctl (PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) < 0)
      return err_set (e, errno, "cannot raise ambient capability %u", capability);
  return 0;
}

int step_no_new_privs (struct init *in, struct fields *f, uint16_t flags, struct err *e) {
  (void) in;
  (void) f;
  (void) flags;
  return prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? err_set (e, errno, "cannot set no-new-privileges") : 0;
}

int step_seccomp (struct init *in, struct fields *f, uint16_t flags, struct err *e) {
  (void) flags;
  uint32_t filter_flags = take_u32 (f);
  struct blob filter = take_blob (f);
  struct sock_fprog program = { .len = (unsigned short) (filter.size / sizeof (struct sock_filter)),
                                .filter = (struct sock_filter *) (uintptr_t) filter.data };

  /* The filter may forbid it afterwards. */
  if (sys_close_range (in->first_own_fd, ~0u, CLOSE_RANGE_CLOEXEC) < 0)
    return err_set (e, errno, "cannot mark descriptors close-on-exec");
  in->is_swept = true;
  if (syscall (SYS_seccomp, SECCOMP_SET_MODE_FILTER, filter_flags, &program) < 0)
    return err_set (e, errno, "cannot install the seccomp filter");
  return 0;
}
