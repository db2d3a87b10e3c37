#include "tree_sandbox.h"

#include "err.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
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

static int drop_capabilities (uint64_t keep, struct err *e) {
  struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
  struct __user_cap_data_struct sets[2];
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

/* Files, memory, and ending. Nothing that opens by absolute path escapes the new root; nothing here makes processes,
   namespaces, mounts or sockets. */
static const uint32_t ALLOWED[] = {
  SYS_read, SYS_readv, SYS_write, SYS_writev, SYS_pread64, SYS_pwrite64, SYS_lseek, SYS_splice, SYS_copy_file_range,
  SYS_openat, SYS_openat2, SYS_close, SYS_fstat, SYS_newfstatat, SYS_statx, SYS_getdents64, SYS_fcntl,
  SYS_mkdirat, SYS_mknodat, SYS_symlinkat, SYS_linkat, SYS_unlinkat, SYS_renameat2, SYS_fchdir, SYS_ftruncate,
  SYS_fchown, SYS_fchownat, SYS_fchmod, SYS_utimensat, SYS_fsetxattr, SYS_lsetxattr, SYS_sync_file_range,
  SYS_brk, SYS_mmap, SYS_munmap, SYS_mremap, SYS_madvise, SYS_mprotect,
  SYS_rt_sigreturn, SYS_restart_syscall, SYS_rt_sigprocmask, SYS_getpid, SYS_gettid, SYS_tgkill, SYS_futex,
  SYS_exit, SYS_exit_group,
};

/* The same for who only reads: nothing here changes anything. */
static const uint32_t ALLOWED_TO_READERS[] = {
  SYS_read, SYS_write, SYS_writev, SYS_sendfile, SYS_lseek, SYS_openat, SYS_openat2, SYS_close, SYS_fstat,
  SYS_newfstatat, SYS_statx, SYS_getdents64, SYS_fcntl, SYS_fchdir, SYS_readlinkat,
  SYS_flistxattr, SYS_llistxattr, SYS_fgetxattr, SYS_lgetxattr,
  SYS_brk, SYS_mmap, SYS_munmap, SYS_mremap, SYS_madvise, SYS_mprotect, SYS_sysinfo,
  SYS_rt_sigreturn, SYS_restart_syscall, SYS_rt_sigprocmask, SYS_getpid, SYS_gettid, SYS_tgkill, SYS_futex,
  SYS_exit, SYS_exit_group,
};

enum {
  ALLOWED_COUNT = sizeof ALLOWED / sizeof *ALLOWED,
  READERS_COUNT = sizeof ALLOWED_TO_READERS / sizeof *ALLOWED_TO_READERS,
};
_Static_assert (READERS_COUNT <= ALLOWED_COUNT, "one program has room for either list");

static int filter_syscalls (const uint32_t *allowed, unsigned count, struct err *e) {
  struct sock_filter code[ALLOWED_COUNT + 6];
  unsigned n = 0;
  code[n++] = (struct sock_filter) BPF_STMT (BPF_LD | BPF_W | BPF_ABS, offsetof (struct seccomp_data, arch));
  code[n++] = (struct sock_filter) BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, OWN_ARCHITECTURE, 1, 0);
  code[n++] = (struct sock_filter) BPF_STMT (BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
  code[n++] = (struct sock_filter) BPF_STMT (BPF_LD | BPF_W | BPF_ABS, offsetof (struct seccomp_data, nr));
  for (unsigned i = 0; i < count; i++) /* a match jumps over the rest and the verdict for no match */
    code[n++] = (struct sock_filter) BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, allowed[i], (uint8_t) (count - i), 0);
  code[n++] = (struct sock_filter) BPF_STMT (BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
  code[n++] = (struct sock_filter) BPF_STMT (BPF_RET | BPF_K, SECCOMP_RET_ALLOW);

  const struct sock_fprog program = { .len = (unsigned short) n, .filter = code };
  if (syscall (SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0 && errno != ENOSYS && errno != EINVAL)
    return err_set (e, errno, "cannot filter system calls"); /* ENOSYS, EINVAL: a kernel built without */
  return 0;
}

static int confine (int root, uint64_t capabilities, struct err *e) {
  if (fchdir (root) < 0 || chroot (".") < 0)
    return err_set (e, errno, "cannot make the tree the root directory");
  if (prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
    return err_set (e, errno, "cannot give up new privileges");
  return drop_capabilities (capabilities, e);
}

int tree_sandbox (int root, uint64_t capabilities, struct err *e) {
  return confine (root, capabilities, e) < 0 ? -1 : filter_syscalls (ALLOWED, ALLOWED_COUNT, e);
}

int tree_sandbox_reader (int root, bool upper, struct err *e) {
  if (confine (root, (uint64_t) 1 << CAP_DAC_READ_SEARCH | (upper ? (uint64_t) 1 << CAP_SYS_ADMIN : 0), e) < 0)
    return -1;
  return filter_syscalls (ALLOWED_TO_READERS, READERS_COUNT, e);
}
