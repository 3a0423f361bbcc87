/*
 * Which system calls are allowed or denied, and when: the one place that says so. Included by
 * seccomp.c only. Numbers are those of the architecture that the addon is compiled for; x86-64
 * alone has the older forms that newer architectures left out.
 */
#include <asm/ioctls.h>
#include <asm/unistd.h>
#include <errno.h>
#include <linux/fs.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <sys/socket.h>

typedef unsigned short number;

struct denied {
  number nr;
  unsigned short error;
};

/* Allowed where (argument & mask) == value; looks at the lower 32 bits. */
struct condition {
  number nr;
  unsigned char argument;
  unsigned mask, value;
};

#define CLONE_NEW                                                                                  \
  (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |    \
   CLONE_NEWNET)

/* ---- First stage: denied before Node starts ------------------------------------------------ */

/* No daemon of ours has a use for them. In the second stage they end the process. */
static const number never[] = {
    __NR_acct, __NR_add_key, __NR_adjtimex, __NR_bpf, __NR_chroot, __NR_clock_adjtime,
    __NR_clock_settime, __NR_delete_module, __NR_fanotify_init, __NR_finit_module,
    __NR_fsconfig, __NR_fsmount, __NR_fsopen, __NR_fspick, __NR_init_module, __NR_kcmp,
    __NR_kexec_file_load, __NR_kexec_load, __NR_keyctl, __NR_mount, __NR_mount_setattr,
    __NR_move_mount, __NR_name_to_handle_at, __NR_open_by_handle_at, __NR_open_tree,
    __NR_perf_event_open, __NR_personality, __NR_pidfd_getfd, __NR_pivot_root,
    __NR_process_madvise, __NR_process_vm_readv, __NR_process_vm_writev, __NR_quotactl,
    __NR_quotactl_fd, __NR_reboot, __NR_request_key, __NR_setdomainname, __NR_sethostname,
    __NR_setns, __NR_settimeofday, __NR_swapoff, __NR_swapon, __NR_syslog, __NR_umount2,
    __NR_unshare, __NR_userfaultfd, __NR_vhangup,
#ifdef __x86_64__
    __NR_ioperm, __NR_iopl, __NR_modify_ldt,
#endif
};

static const struct condition first_conditions[] = {
    {__NR_socket, 0, ~0U, AF_UNIX},
    {__NR_socketpair, 0, ~0U, AF_UNIX},
    {__NR_clone, 0, CLONE_NEW, 0},
};

static const struct denied first_denied[] = {
    {__NR_socket, EAFNOSUPPORT},
    {__NR_socketpair, EAFNOSUPPORT},
    {__NR_clone, EPERM},
    /* Its flags lie behind a pointer that no filter can follow; libc falls back to clone. */
    {__NR_clone3, ENOSYS},
    /* Works around every filter. libuv uses it where it can, and aborts if it is taken later. */
    {__NR_io_uring_setup, ENOSYS},
    {__NR_io_uring_enter, ENOSYS},
    {__NR_io_uring_register, ENOSYS},
    {__NR_ptrace, EPERM},
};

/* ---- Second stage: allowed while a daemon works -------------------------------------------- */

static const number always[] = {
    /* files and pipes; which files is Landlock's to say */
    __NR_close, __NR_close_range, __NR_copy_file_range, __NR_dup, __NR_dup3, __NR_faccessat,
    __NR_faccessat2, __NR_fadvise64, __NR_fallocate, __NR_fchmod, __NR_fcntl, __NR_fdatasync,
    __NR_flock, __NR_fstat, __NR_fstatfs, __NR_fsync, __NR_ftruncate, __NR_getcwd,
    __NR_getdents64, __NR_linkat, __NR_lseek, __NR_mkdirat, __NR_newfstatat, __NR_openat,
    __NR_pipe2, __NR_pread64, __NR_preadv, __NR_pwrite64, __NR_pwritev, __NR_read,
    __NR_readlinkat, __NR_readv, __NR_renameat, __NR_renameat2, __NR_sendfile, __NR_statfs,
    __NR_statx, __NR_umask, __NR_unlinkat, __NR_write, __NR_writev,
    /* waiting */
    __NR_clock_getres, __NR_clock_gettime, __NR_clock_nanosleep, __NR_epoll_create1,
    __NR_epoll_ctl, __NR_epoll_pwait, __NR_eventfd2, __NR_gettimeofday, __NR_nanosleep,
    __NR_ppoll, __NR_pselect6, __NR_restart_syscall,
    /* Unix sockets */
    __NR_getpeername, __NR_getsockname, __NR_getsockopt, __NR_recvfrom, __NR_recvmsg,
    __NR_sendmsg, __NR_sendto, __NR_setsockopt, __NR_shutdown,
    /* memory; V8 makes code, so PROT_EXEC stays */
    __NR_brk, __NR_madvise, __NR_membarrier, __NR_memfd_secret, __NR_mincore, __NR_mlock,
    __NR_mmap, __NR_mprotect, __NR_mremap, __NR_munlock, __NR_munmap, __NR_pkey_alloc,
    __NR_pkey_free, __NR_pkey_mprotect,
    /* threads and signals */
    __NR_exit, __NR_exit_group, __NR_futex, __NR_get_robust_list, __NR_getcpu,
    __NR_getpriority, __NR_gettid, __NR_rseq, __NR_rt_sigaction, __NR_rt_sigprocmask,
    __NR_rt_sigreturn, __NR_sched_get_priority_max, __NR_sched_get_priority_min,
    __NR_sched_getaffinity, __NR_sched_getparam, __NR_sched_getscheduler,
    __NR_sched_setaffinity, __NR_sched_yield, __NR_set_robust_list, __NR_sigaltstack,
    /* questions about itself and the machine */
    __NR_capget, __NR_getegid, __NR_geteuid, __NR_getgid, __NR_getpid, __NR_getppid,
    __NR_getrandom, __NR_getresgid, __NR_getresuid, __NR_getrusage, __NR_getuid, __NR_sysinfo,
    __NR_times, __NR_uname,
#ifdef __x86_64__
    __NR_access, __NR_dup2, __NR_epoll_create, __NR_epoll_wait, __NR_eventfd, __NR_getdents,
    __NR_getrlimit, __NR_link, __NR_lstat, __NR_mkdir, __NR_open, __NR_pipe, __NR_poll,
    __NR_readlink, __NR_rename, __NR_rmdir, __NR_select, __NR_stat, __NR_time, __NR_unlink,
#endif
};

static const number for_bus[] = {__NR_accept, __NR_accept4, __NR_bind, __NR_listen};
static const number for_vault[] = {__NR_connect};

static const struct condition second_conditions[] = {
    {__NR_socket, 0, ~0U, AF_UNIX},
    {__NR_socketpair, 0, ~0U, AF_UNIX},
    {__NR_clone, 0, CLONE_THREAD, CLONE_THREAD},
    {__NR_prlimit64, 0, ~0U, 0}, /* its own limits */
    {__NR_ioctl, 1, ~0U, FICLONE},
    {__NR_ioctl, 1, ~0U, FIOCLEX},
    {__NR_ioctl, 1, ~0U, FIONBIO},
    {__NR_ioctl, 1, ~0U, FIONCLEX},
    {__NR_ioctl, 1, ~0U, FIONREAD},
    {__NR_ioctl, 1, ~0U, TCGETS},
    {__NR_ioctl, 1, ~0U, TCSETS},
    {__NR_ioctl, 1, ~0U, TCSETSW},
    {__NR_ioctl, 1, ~0U, TIOCGPGRP},
    {__NR_ioctl, 1, ~0U, TIOCGWINSZ},
    {__NR_prctl, 0, ~0U, PR_GET_DUMPABLE},
    {__NR_prctl, 0, ~0U, PR_GET_NAME},
    {__NR_prctl, 0, ~0U, PR_GET_NO_NEW_PRIVS},
    {__NR_prctl, 0, ~0U, PR_GET_SECCOMP},
    {__NR_prctl, 0, ~0U, PR_SET_NAME},
    {__NR_prctl, 0, ~0U, PR_SET_VMA},
};

/* Good programs try these and do without, so they are refused whatever the default is. */
static const struct denied second_denied[] = {
    {__NR_clone3, ENOSYS},
    {__NR_io_uring_setup, ENOSYS},
    {__NR_socket, EAFNOSUPPORT},
    {__NR_socketpair, EAFNOSUPPORT},
    {__NR_fchown, EPERM},    /* SQLite, as root */
    {__NR_utimensat, EPERM}, /* libuv, having copied a file */
};

/* Answered EPERM where the default is an errno; all others get ENOSYS, so that libc falls back. */
static const number forbidden[] = {
    __NR_accept, __NR_accept4, __NR_bind, __NR_capset, __NR_chdir, __NR_clone, __NR_connect,
    __NR_execve, __NR_execveat, __NR_fchdir, __NR_fchmodat, __NR_fchownat, __NR_fremovexattr,
    __NR_fsetxattr, __NR_ioctl, __NR_kill, __NR_landlock_create_ruleset, __NR_listen,
    __NR_lremovexattr, __NR_lsetxattr, __NR_memfd_create, __NR_mknodat, __NR_pidfd_open,
    __NR_pidfd_send_signal, __NR_prctl, __NR_prlimit64, __NR_ptrace, __NR_removexattr,
    __NR_rt_sigqueueinfo, __NR_rt_tgsigqueueinfo, __NR_sched_setparam, __NR_sched_setscheduler,
    __NR_seccomp, __NR_setfsgid, __NR_setfsuid, __NR_setgid, __NR_setgroups, __NR_setpgid,
    __NR_setpriority, __NR_setregid, __NR_setresgid, __NR_setresuid, __NR_setreuid,
    __NR_setsid, __NR_setuid, __NR_setxattr, __NR_shmat, __NR_shmget, __NR_symlinkat,
    __NR_tgkill, __NR_tkill, __NR_truncate,
#ifdef __x86_64__
    __NR_chmod, __NR_chown, __NR_creat, __NR_fork, __NR_lchown, __NR_mknod, __NR_symlink,
    __NR_utime, __NR_utimes, __NR_vfork,
#endif
};
