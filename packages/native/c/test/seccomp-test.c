/* What the filters do with the raw system calls that JavaScript cannot make. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "../seccomp.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "check.h"

static enum seccomp_profile profile;
static enum seccomp_denial denial;
static bool second;
static long number, arguments[2];

/* Exits with the errno of one call, made under one or both stages. */
static void call(void) {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || seccomp_before_exec() != 0) _exit(200);
  if (second && seccomp_all_threads(profile, denial) != 0) _exit(201);
  errno = 0;
  /* Null and impossible values: a call that gets through fails with something else. */
  long result = syscall(number, arguments[0], arguments[1], 0, 0, 0, 0);
  _exit(result == 0 ? 0 : errno);
}

static int made(long nr, long first_argument, long second_argument) {
  number = nr;
  arguments[0] = first_argument;
  arguments[1] = second_argument;
  return outcome(call);
}

static void first_stage(void) {
  second = false;
  CHECK(made(SYS_ptrace, 0, 0) == EPERM);
  CHECK(made(SYS_process_vm_readv, getppid(), 0) == EPERM);
  CHECK(made(SYS_process_vm_writev, getppid(), 0) == EPERM);
  CHECK(made(SYS_unshare, 0, 0) == EPERM);
  CHECK(made(SYS_clone, 0x10000000 /* CLONE_NEWUSER */ | SIGCHLD, 0) == EPERM);
  CHECK(made(SYS_clone3, 0, 0) == ENOSYS);
  CHECK(made(SYS_mount, 0, 0) == EPERM);
  CHECK(made(SYS_bpf, 0, 0) == EPERM);
  CHECK(made(SYS_userfaultfd, 0, 0) == EPERM);
  CHECK(made(SYS_keyctl, 0, 0) == EPERM);
  CHECK(made(SYS_io_uring_setup, 1, 0) == ENOSYS);
  CHECK(made(SYS_socket, AF_INET, SOCK_STREAM) == EAFNOSUPPORT);
  CHECK(made(SYS_socket, AF_NETLINK, SOCK_RAW) == EAFNOSUPPORT);
  CHECK(made(SYS_socket, AF_UNIX, SOCK_STREAM) != EAFNOSUPPORT);
  CHECK(made(SYS_chdir, (long)"/", 0) == 0);
  CHECK(made(SYS_execve, (long)"/nonexistent", 0) == ENOENT);
}

static void second_stage(void) {
  second = true;
  denial = SECCOMP_ERRNO;
  for (profile = SECCOMP_BUS; profile <= SECCOMP_VAULT; profile++) {
    CHECK(made(SYS_getpid, 0, 0) != EPERM);
    CHECK(made(SYS_execve, (long)"/bin/true", 0) == EPERM);
    CHECK(made(SYS_execveat, -1, (long)"/bin/true") == EPERM);
    CHECK(made(SYS_clone, SIGCHLD, 0) == EPERM);
    CHECK(made(SYS_clone3, 0, 0) == ENOSYS);
    CHECK(made(SYS_kill, getpid(), 0) == EPERM);
    CHECK(made(SYS_tgkill, getpid(), getpid()) == EPERM);
    CHECK(made(SYS_ptrace, 0, 0) == EPERM);
    CHECK(made(SYS_fchmodat, -100, (long)"/tmp") == EPERM);
    CHECK(made(SYS_fchownat, -100, (long)"/tmp") == EPERM);
    CHECK(made(SYS_setuid, 0, 0) == EPERM);
    CHECK(made(SYS_chdir, (long)"/", 0) == EPERM);
    CHECK(made(SYS_prctl, PR_SET_DUMPABLE, 1) == EPERM);
    CHECK(made(SYS_ioctl, 0, 0x5412 /* TIOCSTI: types on the terminal */) == EPERM);
    CHECK(made(SYS_prlimit64, getpid(), 0) == EPERM);
    CHECK(made(SYS_io_uring_setup, 1, 0) == ENOSYS);
    CHECK(made(SYS_socket, AF_INET, SOCK_DGRAM) == EAFNOSUPPORT);
    CHECK(made(SYS_seccomp, 0, 0) == EPERM);
    CHECK(made(SYS_landlock_create_ruleset, 0, 0) == EPERM);
    CHECK(made(SYS_sync, 0, 0) == ENOSYS);
    CHECK(made(451, 0, 0) == ENOSYS);
    /* Never made by a daemon: ends it. */
    CHECK(made(SYS_process_vm_readv, getppid(), 0) == -SIGSYS);
    CHECK(made(SYS_bpf, 0, 0) == -SIGSYS);
    CHECK(made(SYS_mount, 0, 0) == -SIGSYS);
    CHECK(made(SYS_unshare, 0, 0) == -SIGSYS);
#ifdef __x86_64__
    CHECK(made(SYS_fork, 0, 0) == EPERM);
    CHECK(made(SYS_chmod, (long)"/tmp", 0777) == EPERM);
    CHECK(made(0x40000000 | SYS_getpid, 0, 0) == -SIGSYS); /* x32 */
#endif
  }
}

static void profiles_differ(void) {
  second = true;
  denial = SECCOMP_ERRNO;
  profile = SECCOMP_BUS;
  CHECK(made(SYS_connect, -1, 0) == EPERM);
  CHECK(made(SYS_listen, -1, 0) == EBADF);
  CHECK(made(SYS_accept4, -1, 0) == EBADF);
  profile = SECCOMP_VAULT;
  CHECK(made(SYS_connect, -1, 0) == EBADF);
  CHECK(made(SYS_listen, -1, 0) == EPERM);
  CHECK(made(SYS_bind, -1, 0) == EPERM);
  CHECK(made(SYS_accept4, -1, 0) == EPERM);
}

static void other_answers(void) {
  second = true;
  denial = SECCOMP_KILL;
  CHECK(made(SYS_sync, 0, 0) == -SIGSYS);
  CHECK(made(SYS_execve, (long)"/bin/true", 0) == -SIGSYS);
  CHECK(made(SYS_kill, getpid(), 0) == -SIGSYS);
  CHECK(made(SYS_clone3, 0, 0) == ENOSYS);
  CHECK(made(SYS_socket, AF_INET, SOCK_DGRAM) == EAFNOSUPPORT);
  CHECK(made(SYS_lseek, -1, 0) == EBADF);
}

static void tell(void) {
  int ends[2];
  char text[64] = {0}, expected[64];
  CHECK(pipe(ends) == 0);
  int saved = dup(STDERR_FILENO);
  dup2(ends[1], STDERR_FILENO);
  denial = SECCOMP_TELL;
  int result = made(SYS_sync, 0, 0);
  dup2(saved, STDERR_FILENO);
  CHECK(result == EPERM);
  CHECK(read(ends[0], text, sizeof text - 1) > 0);
  snprintf(expected, sizeof expected, "sesame: denied syscall %d\n", (int)SYS_sync);
  for (size_t i = 0; expected[i] != 0; i++) CHECK(text[i] == expected[i]);
}

int main(void) {
  first_stage();
  second_stage();
  profiles_differ();
  other_answers();
  tell();
  puts("seccomp: ok");
  return 0;
}
