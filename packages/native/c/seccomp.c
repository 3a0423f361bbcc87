/* Filters for seccomp(2), assembled from the lists of syscalls.h. See seccomp.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "seccomp.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "syscalls.h"

#ifdef __x86_64__
#define ARCHITECTURE AUDIT_ARCH_X86_64
#define X32_BIT 0x40000000U /* numbers of the x32 ABI: the same calls by another name */
#else
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#endif

#define ERROR(error) (SECCOMP_RET_ERRNO | (error))
#define LENGTH(list) (sizeof(list) / sizeof((list)[0]))
#define INSTRUCTIONS_MAX 1024

struct program {
  struct sock_filter code[INSTRUCTIONS_MAX];
  size_t length; /* INSTRUCTIONS_MAX + 1 once it has run over */
};

static void emit(struct program *program, uint16_t code, uint32_t k, uint8_t yes, uint8_t no) {
  if (program->length >= INSTRUCTIONS_MAX) {
    program->length = INSTRUCTIONS_MAX + 1;
    return;
  }
  program->code[program->length++] = (struct sock_filter){code, yes, no, k};
}

static void load(struct program *program, size_t offset) {
  emit(program, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

static void answer(struct program *program, uint32_t action) {
  emit(program, BPF_RET | BPF_K, action, 0, 0);
}

/* Every rule starts and ends with the number of the call in the accumulator. */
static void rule(struct program *program, number nr, uint32_t action) {
  emit(program, BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1);
  answer(program, action);
}

static void allow_when(struct program *program, const struct condition *condition) {
  /* Both supported architectures are little-endian: the lower half comes first. */
  size_t argument = offsetof(struct seccomp_data, args) + 8U * condition->argument;
  emit(program, BPF_JMP | BPF_JEQ | BPF_K, condition->nr, 0, 5);
  load(program, argument);
  emit(program, BPF_ALU | BPF_AND | BPF_K, condition->mask, 0, 0);
  emit(program, BPF_JMP | BPF_JEQ | BPF_K, condition->value, 0, 1);
  answer(program, SECCOMP_RET_ALLOW);
  load(program, offsetof(struct seccomp_data, nr));
}

static void rules(struct program *program, const number *list, size_t count, uint32_t action) {
  for (size_t i = 0; i < count; i++) rule(program, list[i], action);
}

static void conditions(struct program *program, const struct condition *list, size_t count) {
  for (size_t i = 0; i < count; i++) allow_when(program, &list[i]);
}

static void denials(struct program *program, const struct denied *list, size_t count) {
  for (size_t i = 0; i < count; i++) rule(program, list[i].nr, ERROR(list[i].error));
}

/* A call under another architecture's numbers would not be what the lists say. */
static void begin(struct program *program) {
  load(program, offsetof(struct seccomp_data, arch));
  emit(program, BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0);
  answer(program, SECCOMP_RET_KILL_PROCESS);
  load(program, offsetof(struct seccomp_data, nr));
#ifdef X32_BIT
  emit(program, BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 0, 1);
  answer(program, SECCOMP_RET_KILL_PROCESS);
#endif
}

static int install(struct program *program, unsigned flags) {
  if (program->length > INSTRUCTIONS_MAX) {
    errno = E2BIG;
    return -1;
  }
  struct sock_fprog filter = {(unsigned short)program->length, program->code};
  long result = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &filter);
  /* With TSYNC a positive answer is the thread that could not be brought along. */
  if (result > 0) errno = EBUSY;
  return result == 0 ? 0 : -1;
}

int seccomp_before_exec(void) {
  struct program program = {.length = 0};
  begin(&program);
  rules(&program, never, LENGTH(never), ERROR(EPERM));
  conditions(&program, first_conditions, LENGTH(first_conditions));
  denials(&program, first_denied, LENGTH(first_denied));
  answer(&program, SECCOMP_RET_ALLOW);
  return install(&program, SECCOMP_FILTER_FLAG_LOG);
}

/* Runs in the thread that made the denied call; only what signal-safety(7) allows. */
static void tell(int signal, siginfo_t *info, void *context) {
  (void)signal;
  char digits[12], text[32] = "sesame: denied syscall ";
  size_t length = strlen(text), count = 0;
  unsigned rest = (unsigned)info->si_syscall;
  do {
    digits[count++] = (char)('0' + rest % 10);
    rest /= 10;
  } while (rest > 0 && count < 8);
  while (count > 0) text[length++] = digits[--count];
  text[length++] = '\n';
  ssize_t ignored = write(STDERR_FILENO, text, length);
  (void)ignored;
  mcontext_t *registers = &((ucontext_t *)context)->uc_mcontext;
#ifdef __x86_64__
  registers->gregs[REG_RAX] = -EPERM;
#else
  registers->regs[0] = (unsigned long long)-EPERM;
#endif
}

static int tell_denials(void) {
  struct sigaction action = {.sa_sigaction = tell, .sa_flags = SA_SIGINFO | SA_NODEFER};
  return sigaction(SIGSYS, &action, NULL);
}

int seccomp_all_threads(enum seccomp_profile profile, enum seccomp_denial denial) {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return -1;
  if (denial == SECCOMP_TELL && tell_denials() != 0) return -1;
  const struct condition itself = {__NR_tgkill, 0, ~0U, (unsigned)getpid()};
  struct program program = {.length = 0};
  begin(&program);
  rules(&program, never, LENGTH(never), SECCOMP_RET_KILL_PROCESS);
  rules(&program, always, LENGTH(always), SECCOMP_RET_ALLOW);
  if (profile == SECCOMP_BUS) rules(&program, for_bus, LENGTH(for_bus), SECCOMP_RET_ALLOW);
  if (profile == SECCOMP_VAULT) rules(&program, for_vault, LENGTH(for_vault), SECCOMP_RET_ALLOW);
  conditions(&program, second_conditions, LENGTH(second_conditions));
  allow_when(&program, &itself);
  denials(&program, second_denied, LENGTH(second_denied));
  uint32_t otherwise = SECCOMP_RET_KILL_PROCESS;
  if (denial == SECCOMP_TELL) otherwise = SECCOMP_RET_TRAP;
  if (denial == SECCOMP_ERRNO) {
    rules(&program, forbidden, LENGTH(forbidden), ERROR(EPERM));
    otherwise = ERROR(ENOSYS);
  }
  answer(&program, otherwise);
  return install(&program, SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_LOG);
}
