/**
 * Docker's default seccomp profile, as data. The facts are moby's (29.x); the grouping is by subject. A call that is
 * not here answers EPERM, one that is newer than all of them ENOSYS.
 */
import type { SeccompArg, SeccompRule } from "../specs/oci-runtime/spec.ts";
import type { BlockFilter, ProfileBlock, SeccompProfile } from "./seccomp-profile.ts";

const EPERM = 1;
const ENOSYS = 38;
const EOPNOTSUPP = 95;

/** Allowed to everybody, as ioctl(2) is. Names without meaning on an architecture are skipped there. */
const ALWAYS = `
  access chdir chmod chown chown32 close close_range copy_file_range creat dup dup2 dup3 faccessat faccessat2 fadvise64
  fadvise64_64 fallocate fchdir fchmod fchmodat fchmodat2 fchown fchown32 fchownat fcntl fcntl64 fdatasync flock fstat
  fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64 futimesat getcwd getdents getdents64 lchown
  lchown32 link linkat _llseek lseek lstat lstat64 mkdir mkdirat mknod mknodat name_to_handle_at newfstatat open openat
  openat2 pread64 preadv preadv2 pwrite64 pwritev pwritev2 read readahead readlink readlinkat readv rename renameat
  renameat2 rmdir sendfile sendfile64 splice stat stat64 statfs statfs64 statx symlink symlinkat sync sync_file_range
  syncfs tee truncate truncate64 umask unlink unlinkat utime utimensat utimensat_time64 utimes vmsplice write writev

  fgetxattr flistxattr fremovexattr fsetxattr getxattr getxattrat lgetxattr listxattr listxattrat llistxattr
  lremovexattr lsetxattr removexattr removexattrat setxattr setxattrat

  fanotify_mark inotify_add_watch inotify_init inotify_init1 inotify_rm_watch listmount statmount

  epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd eventfd2
  _newselect pipe pipe2 poll ppoll ppoll_time64 pselect6 pselect6_time64 select signalfd signalfd4

  io_cancel io_destroy io_getevents io_pgetevents io_pgetevents_time64 io_setup io_submit ioprio_get ioprio_set

  brk cachestat madvise map_shadow_stack membarrier memfd_create memfd_secret mincore mlock mlock2 mlockall mmap mmap2
  mprotect mremap mseal msync munlock munlockall munmap pkey_alloc pkey_free pkey_mprotect remap_file_pages

  execve execveat exit exit_group fork vfork wait4 waitid waitpid getpgid getpgrp getpid getppid getsid gettid setpgid
  setsid pidfd_open pidfd_send_signal process_mrelease prctl seccomp landlock_add_rule landlock_create_ruleset
  landlock_restrict_self get_thread_area set_thread_area set_tid_address rseq get_robust_list set_robust_list
  restart_syscall uretprobe riscv_hwprobe

  capget capset getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 getresgid getresgid32
  getresuid getresuid32 getuid getuid32 setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups setgroups32
  setregid setregid32 setresgid setresgid32 setresuid setresuid32 setreuid setreuid32 setuid setuid32

  getcpu getpriority getrlimit getrusage prlimit64 sched_get_priority_max sched_get_priority_min sched_getaffinity
  sched_getattr sched_getparam sched_getscheduler sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity
  sched_setattr sched_setparam sched_setscheduler sched_yield setpriority setrlimit sysinfo times ugetrlimit uname

  kill pause rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait
  rt_sigtimedwait_time64 rt_tgsigqueueinfo sigaltstack sigprocmask sigreturn tgkill tkill

  adjtimex alarm clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime clock_gettime64
  clock_nanosleep clock_nanosleep_time64 getitimer gettimeofday nanosleep setitimer time timer_create timer_delete
  timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64 timerfd_create timerfd_gettime
  timerfd_gettime64 timerfd_settime timerfd_settime64

  futex futex_requeue futex_time64 futex_wait futex_waitv futex_wake ipc mq_getsetattr mq_notify mq_open
  mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 mq_unlink msgctl msgget msgrcv msgsnd semctl
  semget semop semtimedop semtimedop_time64 shmat shmctl shmdt shmget

  accept accept4 bind connect getpeername getsockname getsockopt listen recv recvfrom recvmmsg recvmmsg_time64 recvmsg
  send sendmmsg sendmsg sendto setsockopt shutdown socketcall socketpair

  getrandom
`;

/**
 * Address families that socket(2) may make. Not here: AF_ALG (38) and AF_VSOCK (40), which reach the kernel's crypto
 * interface and the hypervisor past all namespaces, and families that kernels no longer have.
 */
const SOCKET_FAMILIES =
  "1 2 3 4 5 6 7 8 9 10 11 13 14 15 16 17 18 21 22 24 26 27 28 29 30 31 32 33 35 36 39 41 42 43 44 45";

/** PER_LINUX, PER_LINUX32, each also with UNAME26; the last one only asks. personality(2) */
const PERSONALITIES = [0x0, 0x8, 0x20000, 0x20008, 0xffffffff];

/** All CLONE_NEW* but the one for time, which clone(2) does not take. */
const CLONE_NAMESPACES = 0x7e020000n;

/** What a capability unlocks. */
const BY_CAPABILITY: Readonly<Record<string, string>> = {
  CAP_BPF: "bpf",
  CAP_DAC_READ_SEARCH: "open_by_handle_at",
  CAP_PERFMON: "perf_event_open",
  CAP_SYSLOG: "syslog",
  CAP_SYS_ADMIN: `
    bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie lsm_get_self_attr lsm_list_modules
    lsm_set_self_attr mount mount_setattr move_mount open_tree perf_event_open quotactl quotactl_fd setdomainname
    sethostname setns syslog umount umount2 unshare`,
  CAP_SYS_BOOT: "reboot",
  CAP_SYS_CHROOT: "chroot",
  CAP_SYS_MODULE: "delete_module init_module finit_module",
  CAP_SYS_NICE: "get_mempolicy mbind set_mempolicy set_mempolicy_home_node",
  CAP_SYS_PACCT: "acct",
  CAP_SYS_PTRACE: "kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev ptrace",
  CAP_SYS_RAWIO: "iopl ioperm",
  CAP_SYS_TIME: "settimeofday stime clock_settime clock_settime64",
  CAP_SYS_TTY_CONFIG: "vhangup",
};

export const DEFAULT_PROFILE: SeccompProfile = {
  defaultAction: "SCMP_ACT_ERRNO",
  defaultErrnoRet: EPERM,
  archMap: [
    { architecture: "SCMP_ARCH_X86_64", subArchitectures: ["SCMP_ARCH_X86", "SCMP_ARCH_X32"] },
    { architecture: "SCMP_ARCH_AARCH64", subArchitectures: ["SCMP_ARCH_ARM"] },
    { architecture: "SCMP_ARCH_RISCV64", subArchitectures: [] },
  ],
  blocks: [
    allow(`${ALWAYS} ioctl`),
    // Before 4.8 ptrace could change a call after the filter had seen it.
    allow("process_vm_readv process_vm_writev ptrace", { minKernel: [4, 8] }),
    ...SOCKET_FAMILIES.split(" ").map((family) =>
      allowIf("socket", { index: 0, value: BigInt(family), op: "SCMP_CMP_EQ" }),
    ),
    ...PERSONALITIES.map((value) =>
      allowIf("personality", { index: 0, value: BigInt(value), op: "SCMP_CMP_EQ" }),
    ),
    allow("arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls", {
      arches: ["arm", "arm64"],
    }),
    allow("arch_prctl", { arches: ["amd64", "x32"] }),
    allow("modify_ldt", { arches: ["amd64", "x32", "x86"] }),
    allow("riscv_flush_icache", { arches: ["riscv64"] }),
    ...Object.entries(BY_CAPABILITY).map(([capability, names]) => allow(names, { caps: [capability] })),
    {
      ...allowIf("clone", { index: 0, value: CLONE_NAMESPACES, valueTwo: 0n, op: "SCMP_CMP_MASKED_EQ" }),
      excludes: { caps: ["CAP_SYS_ADMIN"] },
    },
    // Its flags are in memory, where a filter cannot look: programs that get ENOSYS use clone.
    {
      rule: { names: ["clone3"], action: "SCMP_ACT_ERRNO", errnoRet: ENOSYS },
      excludes: { caps: ["CAP_SYS_ADMIN"] },
    },
  ],
};

/**
 * What changes the project of a file, or whether files in a directory get its project (linux/fs.h): FS_IOC_FSSETXATTR, and
 * FS_IOC_SETFLAGS with the two sizes of a `long`. file_setattr(2) is younger than the profile.
 */
const PROJECT_REQUESTS = [0x401c5820n, 0x40086602n, 0x40046602n];

/**
 * For files whose project limits them. All other requests are allowed, by the less specific rule; the kernel looks at 32 bits of
 * a request, so the filter does. The answer is that of a file system which has no attributes: programs go on without.
 */
export const PROJECT_KEEPING_PROFILE: SeccompProfile = {
  ...DEFAULT_PROFILE,
  blocks: [
    allow(ALWAYS),
    allowIf("ioctl", { index: 1, value: 0n, op: "SCMP_CMP_GE" }),
    ...PROJECT_REQUESTS.map((request): ProfileBlock => {
      const args: SeccompArg[] = [
        { index: 1, value: 0xffffffffn, valueTwo: request, op: "SCMP_CMP_MASKED_EQ" },
      ];
      return { rule: { names: ["ioctl"], action: "SCMP_ACT_ERRNO", errnoRet: EOPNOTSUPP, args } };
    }),
    ...DEFAULT_PROFILE.blocks.slice(1),
  ],
};

function allow(names: string, includes?: BlockFilter): ProfileBlock {
  const rule: SeccompRule = { names: names.trim().split(/\s+/), action: "SCMP_ACT_ALLOW" };
  return includes === undefined ? { rule } : { rule, includes };
}

function allowIf(name: string, condition: SeccompArg): ProfileBlock {
  return { rule: { names: [name], action: "SCMP_ACT_ALLOW", args: [condition] } };
}
