#include "confine.h"

#include "err.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined __x86_64__
#define OWN_ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined __aarch64__
#define OWN_ARCHITECTURE AUDIT_ARCH_AARCH64
#elif defined __riscv
#define OWN_ARCHITECTURE AUDIT_ARCH_RISCV64
#else
#error "which audit architecture is this?"
#endif

int confine_capabilities (uint64_t keep, struct err *e) {
  struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
  struct __user_cap_data_struct sets[2];
  if (prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
    return err_set (e, errno, "cannot give up new privileges");
  if (syscall (SYS_capget, &header, sets) < 0)
    return err_set (e, errno, "cannot read the capabilities");
  for (int i = 0; i < 2; i++) {
    uint32_t part = (uint32_t) (keep >> (32 * i));
    sets[i].permitted &= part;
    sets[i].effective = sets[i].permitted;
    sets[i].inheritable = 0;
  }
  if (syscall (SYS_capset, &header, sets) < 0)
    return err_set (e, errno, "cannot drop capabilities");
  return 0;
}

#define LOAD(field) (struct sock_filter) BPF_STMT (BPF_LD | BPF_W | BPF_ABS, offsetof (struct seccomp_data, field))
#define IF_EQUAL(value, yes, no) (struct sock_filter) BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, value, yes, no)
#define VERDICT(action) (struct sock_filter) BPF_STMT (BPF_RET | BPF_K, action)
#define LOW_HALF (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? 0 : 4)

int confine_calls (const uint32_t *allowed, unsigned count, int inet_only, struct err *e) {
  struct sock_filter code[CONFINE_MAX_CALLS + 12];
  unsigned n = 0;
  if (count > CONFINE_MAX_CALLS)
    return err_set (e, E2BIG, "cannot filter %u system calls", count);
  code[n++] = LOAD (arch);
  code[n++] = IF_EQUAL (OWN_ARCHITECTURE, 1, 0);
  code[n++] = VERDICT (SECCOMP_RET_KILL_PROCESS);
  code[n++] = LOAD (nr);
  if (inet_only) { /* of the family the kernel looks at 32 bits, too */
    code[n++] = IF_EQUAL (SYS_socket, 0, 5);
    code[n++] =
        (struct sock_filter) BPF_STMT (BPF_LD | BPF_W | BPF_ABS, offsetof (struct seccomp_data, args) + LOW_HALF);
    code[n++] = IF_EQUAL (AF_INET, 2, 0);
    code[n++] = IF_EQUAL (AF_INET6, 1, 0);
    code[n++] = VERDICT (SECCOMP_RET_KILL_PROCESS);
    code[n++] = VERDICT (SECCOMP_RET_ALLOW);
  }
  for (unsigned i = 0; i < count; i++) /* a match jumps over the rest and the verdict for no match */
    code[n++] = IF_EQUAL (allowed[i], (uint8_t) (count - i), 0);
  code[n++] = VERDICT (SECCOMP_RET_KILL_PROCESS);
  code[n++] = VERDICT (SECCOMP_RET_ALLOW);

  const struct sock_fprog program = { .len = (unsigned short) n, .filter = code };
  if (syscall (SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0 && errno != ENOSYS && errno != EINVAL)
    return err_set (e, errno, "cannot filter system calls"); /* ENOSYS, EINVAL: a kernel built without */
  return 0;
}
