// SPDX-License-Identifier: Apache-2.0
// The system calls of a container: an allow list in the manner of Docker's default
// profile, for x86-64 and a process without capabilities. Absent on purpose, among
// others: mount and its kin, ptrace, kexec, bpf, keyctl, unshare, setns, io_uring,
// userfaultfd, perf_event_open, open_by_handle_at and modules.

/** What a program takes for "this kernel is too old for it" and works around. */
const ENOSYS = 38;
const EPERM = 1;
/** CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET. */
const CLONE_NEW_NAMESPACES = 0x7e020000;
const ALLOW = 'SCMP_ACT_ALLOW';
const REFUSE = 'SCMP_ACT_ERRNO';

const FILES = `access chdir chmod chown close close_range copy_file_range creat dup dup2 dup3
  faccessat faccessat2 fadvise64 fallocate fchdir fchmod fchmodat fchmodat2 fchown fchownat fcntl
  fdatasync fgetxattr flistxattr flock fremovexattr fsetxattr fstat fstatfs fsync ftruncate
  futimesat getcwd getdents getdents64 getxattr ioctl lchown lgetxattr link linkat listxattr
  llistxattr lremovexattr lseek lsetxattr lstat mkdir mkdirat mknod mknodat name_to_handle_at
  newfstatat open openat openat2 pread64 preadv preadv2 pwrite64 pwritev pwritev2 read readahead
  readlink readlinkat readv removexattr rename renameat renameat2 rmdir sendfile setxattr splice
  stat statfs statx symlink symlinkat sync sync_file_range syncfs tee truncate umask unlink unlinkat
  utime utimensat utimes vmsplice write writev`;
const EVENTS = `epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2
  epoll_wait epoll_wait_old eventfd eventfd2 fanotify_mark inotify_add_watch inotify_init
  inotify_init1 inotify_rm_watch io_cancel io_destroy io_getevents io_pgetevents io_setup io_submit
  pipe pipe2 poll ppoll pselect6 select signalfd signalfd4 timerfd_create timerfd_gettime
  timerfd_settime`;
const MEMORY = `brk get_mempolicy madvise map_shadow_stack membarrier memfd_create memfd_secret
  mincore mlock mlock2 mlockall mmap mprotect mremap mseal msync munlock munlockall munmap
  pkey_alloc pkey_free pkey_mprotect process_mrelease remap_file_pages`;
const PROCESSES = `alarm arch_prctl capget capset execve execveat exit exit_group fork
  futex futex_requeue futex_wait futex_waitv futex_wake getcpu getegid geteuid getgid getgroups
  getitimer getpgid getpgrp getpid getppid getpriority getresgid getresuid getrlimit
  get_robust_list getrusage getsid gettid getuid ioprio_get ioprio_set kill pause pidfd_open
  pidfd_send_signal prctl prlimit64 restart_syscall rseq rt_sigaction rt_sigpending rt_sigprocmask
  rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_tgsigqueueinfo
  sched_get_priority_max sched_get_priority_min sched_getaffinity sched_getattr sched_getparam
  sched_getscheduler sched_rr_get_interval sched_setaffinity sched_setattr sched_setparam
  sched_setscheduler sched_yield seccomp setfsgid setfsuid setgid setgroups setitimer setpgid
  setpriority setregid setresgid setresuid setreuid setrlimit set_robust_list setsid
  set_thread_area get_thread_area set_tid_address setuid sigaltstack sysinfo tgkill time times
  tkill uname vfork wait4 waitid`;
const CLOCKS = `adjtimex clock_adjtime clock_getres clock_gettime clock_nanosleep gettimeofday
  nanosleep timer_create timer_delete timer_getoverrun timer_gettime timer_settime`;
const SOCKETS = `accept accept4 bind connect getpeername getsockname getsockopt listen recvfrom
  recvmmsg recvmsg sendmmsg sendmsg sendto setsockopt shutdown socketpair`;
const SHARED = `getrandom landlock_add_rule landlock_create_ruleset landlock_restrict_self
  mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedsend mq_unlink msgctl msgget msgrcv
  msgsnd semctl semget semop semtimedop shmat shmctl shmdt shmget`;

const AF_VSOCK = 40;

export const SECCOMP = {
  defaultAction: REFUSE,
  defaultErrnoRet: EPERM,
  architectures: ['SCMP_ARCH_X86_64'],
  syscalls: [
    {
      names: [FILES, EVENTS, MEMORY, PROCESSES, CLOCKS, SOCKETS, SHARED]
        .join(' ')
        .split(/\s+/)
        .sort(),
      action: ALLOW,
    },
    {
      names: ['clone'],
      action: ALLOW,
      args: [{ index: 0, value: CLONE_NEW_NAMESPACES, valueTwo: 0, op: 'SCMP_CMP_MASKED_EQ' }],
    },
    // Its flags lie in memory, where a filter can't look; libraries fall back to clone.
    {
      names: ['clone3', 'io_uring_setup', 'io_uring_enter', 'io_uring_register'],
      action: REFUSE,
      errnoRet: ENOSYS,
    },
    { names: ['socket'], action: ALLOW, args: [{ index: 0, value: AF_VSOCK, op: 'SCMP_CMP_NE' }] },
    // Linux's own and the values that change nothing but what uname says.
    ...[0x0, 0x0008, 0x20000, 0x20008, 0xffffffff].map((value) => ({
      names: ['personality'],
      action: ALLOW,
      args: [{ index: 0, value, op: 'SCMP_CMP_EQ' }],
    })),
  ],
};
