#include "tree_sandbox.h"

#include "confine.h"
#include "err.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Files, memory, and ending. Nothing that opens by absolute path escapes the new root; nothing here makes processes,
   namespaces, mounts or sockets. */
static const uint32_t ALLOWED[] = {
  SYS_read, SYS_readv, SYS_write, SYS_writev, SYS_pread64, SYS_pwrite64, SYS_lseek, SYS_splice, SYS_copy_file_range,
  SYS_openat, SYS_openat2, SYS_close, SYS_fstat, SYS_fstatfs, SYS_newfstatat, SYS_statx, SYS_getdents64, SYS_fcntl,
  SYS_readlinkat,
  SYS_mkdirat, SYS_mknodat, SYS_symlinkat, SYS_linkat, SYS_unlinkat, SYS_renameat2, SYS_fchdir, SYS_ftruncate,
  SYS_fchown, SYS_fchownat, SYS_fchmod, SYS_utimensat, SYS_fsetxattr, SYS_lsetxattr, SYS_sync_file_range,
  SYS_brk, SYS_mmap, SYS_munmap, SYS_mremap, SYS_madvise, SYS_mprotect,
  SYS_rt_sigreturn, SYS_restart_syscall, SYS_rt_sigprocmask, SYS_getpid, SYS_gettid, SYS_tgkill, SYS_futex,
  SYS_exit, SYS_exit_group,
};

/* The same for who only reads: nothing here changes anything. */
static const uint32_t ALLOWED_TO_READERS[] = {
  SYS_read, SYS_write, SYS_writev, SYS_sendfile, SYS_lseek, SYS_openat, SYS_openat2, SYS_close, SYS_fstat, SYS_fstatfs,
  SYS_newfstatat, SYS_statx, SYS_getdents64, SYS_fcntl, SYS_fchdir, SYS_readlinkat,
  SYS_flistxattr, SYS_llistxattr, SYS_fgetxattr, SYS_lgetxattr,
  SYS_brk, SYS_mmap, SYS_munmap, SYS_mremap, SYS_madvise, SYS_mprotect, SYS_sysinfo,
  SYS_rt_sigreturn, SYS_restart_syscall, SYS_rt_sigprocmask, SYS_getpid, SYS_gettid, SYS_tgkill, SYS_futex,
  SYS_exit, SYS_exit_group,
};

/* And for who copies from one tree into another. */
static const uint32_t ALLOWED_TO_COPIERS[] = {
  SYS_read, SYS_write, SYS_writev, SYS_sendfile, SYS_copy_file_range, SYS_ioctl, SYS_lseek, SYS_openat, SYS_openat2,
  SYS_close, SYS_fstat, SYS_newfstatat, SYS_statx, SYS_getdents64, SYS_fcntl, SYS_fchdir, SYS_readlinkat,
  SYS_flistxattr, SYS_llistxattr, SYS_fgetxattr, SYS_lgetxattr, SYS_fsetxattr, SYS_lsetxattr,
  SYS_mkdirat, SYS_mknodat, SYS_symlinkat, SYS_linkat, SYS_ftruncate, SYS_fchown, SYS_fchownat, SYS_fchmod,
  SYS_fchmodat, SYS_utimensat,
  SYS_brk, SYS_mmap, SYS_munmap, SYS_mremap, SYS_madvise, SYS_mprotect, SYS_sysinfo,
  SYS_rt_sigreturn, SYS_restart_syscall, SYS_rt_sigprocmask, SYS_getpid, SYS_gettid, SYS_tgkill, SYS_futex,
  SYS_exit, SYS_exit_group,
};

#define COUNT(list) (sizeof (list) / sizeof *(list))

static int confine (int root, uint64_t capabilities, struct err *e) {
  if (fchdir (root) < 0 || chroot (".") < 0)
    return err_set (e, errno, "cannot make the tree the root directory");
  return confine_capabilities (capabilities, e);
}

int tree_sandbox (int root, uint64_t capabilities, struct err *e) {
  return confine (root, capabilities, e) < 0 ? -1 : confine_calls (ALLOWED, COUNT (ALLOWED), 0, e);
}

int tree_sandbox_user (bool reads, struct err *e) {
  uint64_t capabilities = reads ? (uint64_t) 1 << CAP_DAC_READ_SEARCH : TREE_FILE_CAPABILITIES;
  if (confine_capabilities (capabilities, e) < 0)
    return -1;
  return reads ? confine_calls (ALLOWED_TO_READERS, COUNT (ALLOWED_TO_READERS), 0, e)
               : confine_calls (ALLOWED, COUNT (ALLOWED), 0, e);
}

int tree_sandbox_reader (int root, bool upper, struct err *e) {
  if (confine (root, (uint64_t) 1 << CAP_DAC_READ_SEARCH | (upper ? (uint64_t) 1 << CAP_SYS_ADMIN : 0), e) < 0)
    return -1;
  return confine_calls (ALLOWED_TO_READERS, COUNT (ALLOWED_TO_READERS), 0, e);
}

int tree_sandbox_copier (int root, struct err *e) {
  if (confine (root, TREE_FILE_CAPABILITIES, e) < 0)
    return -1;
  return confine_calls (ALLOWED_TO_COPIERS, COUNT (ALLOWED_TO_COPIERS), 0, e);
}
