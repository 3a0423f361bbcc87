/* What the test drivers share: they are built by ../../build.sh --asan, and need no Node. */
#ifndef SESAME_CHECK_H
#define SESAME_CHECK_H

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK(condition)                                                                           \
  do {                                                                                             \
    if (condition) break;                                                                          \
    fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition);                      \
    exit(1);                                                                                       \
  } while (0)

/* How a child ended that runs `body`: its exit code, or minus the signal. */
static inline int outcome(void (*body)(void)) {
  pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    body();
    _exit(0);
  }
  int status;
  CHECK(waitpid(child, &status, 0) == child);
  return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

#endif
