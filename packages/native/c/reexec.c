/*
 * Restrict, then execve: only so does Landlock cover every thread of a Node process, since
 * execve(2) ends all threads but the one that is restricted (landlock(7)).
 */
#include "addon.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "landlock.h"
#include "seccomp.h"
#include "strings.h"

#define RULES_MAX 128
#define ARGUMENTS_MAX 256
#define VARIABLES_MAX 4096
#define DESCRIPTORS_MAX 64

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC 4U
#endif

/* landlockAbi() -> number, 0 for none. */
napi_value sesame_landlock_abi(napi_env env, napi_callback_info info) {
  (void)info;
  return sesame_number(env, landlock_abi());
}

static int strings(napi_env env, napi_value value, const char **out, int max) {
  const unsigned char *block;
  size_t length;
  if (!sesame_bytes(env, value, &block, &length)) return -1;
  int count = strings_split(block, length, out, max);
  if (count < 0) sesame_throw_errno(env, "splitting a list of strings", E2BIG);
  return count;
}

static int ruleset_of(napi_env env, napi_value value) {
  const char *texts[RULES_MAX + 1];
  struct landlock_rule rules[RULES_MAX];
  int count = strings(env, value, texts, RULES_MAX);
  if (count < 0) return -1;
  for (int i = 0; i < count; i++) {
    if (landlock_parse(texts[i], &rules[i])) continue;
    sesame_throw_argument(env, "expected Landlock rules with absolute paths");
    return -1;
  }
  int failed;
  int ruleset = landlock_ruleset(rules, count, &failed);
  if (ruleset < 0) {
    int error = errno;
    char call[160];
    snprintf(call, sizeof call, "Landlock rule for %.128s", failed < 0 ? "-" : rules[failed].path);
    sesame_throw_errno(env, call, error);
  }
  return ruleset;
}

/* Only stdio and the listed descriptors survive; Node has set close-on-exec on all of them. */
static int keep_only(const int *keep, size_t count) {
  if (syscall(SYS_close_range, 0U, ~0U, CLOSE_RANGE_CLOEXEC) != 0) return -1;
  for (int fd = 0; fd <= STDERR_FILENO; fd++) {
    if (fcntl(fd, F_SETFD, 0) != 0 && errno != EBADF) return -1;
  }
  for (size_t i = 0; i < count; i++) {
    if (fcntl(keep[i], F_SETFD, 0) != 0) return -1;
  }
  return 0;
}

/*
 * sandboxExec(rules, arguments, environment, descriptors): the first three as NUL-terminated
 * strings in one Uint8Array each, the last as native ints. The first argument is the program's
 * path. Returns only by throwing; once it has got as far as restricting this thread, the process
 * is of no use any more.
 */
napi_value sesame_sandbox_exec(napi_env env, napi_callback_info info) {
  napi_value values[4];
  const char *arguments[ARGUMENTS_MAX + 1], *variables[VARIABLES_MAX + 1];
  const unsigned char *descriptors;
  size_t length;
  int keep[DESCRIPTORS_MAX];
  if (!sesame_arguments(env, info, 4, values)) return NULL;
  int count = strings(env, values[1], arguments, ARGUMENTS_MAX);
  if (count < 0 || strings(env, values[2], variables, VARIABLES_MAX) < 0) return NULL;
  if (count == 0) return sesame_throw_argument(env, "expected the path of a program");
  if (!sesame_bytes(env, values[3], &descriptors, &length)) return NULL;
  if (length > sizeof keep) return sesame_throw_errno(env, "keeping descriptors", E2BIG);
  if (length > 0) memcpy(keep, descriptors, length);
  /* While an error can still be reported in peace. */
  if (access(arguments[0], X_OK) != 0) return sesame_throw_errno(env, "access", errno);
  int ruleset = ruleset_of(env, values[0]);
  if (ruleset < 0) return NULL;

  const char *step = "keeping descriptors";
  bool done = keep_only(keep, length / sizeof keep[0]) == 0;
  if (done) {
    step = "prctl(PR_SET_NO_NEW_PRIVS)";
    done = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
  }
  if (done) {
    step = "landlock_restrict_self";
    done = landlock_restrict(ruleset) == 0;
  }
  if (done) {
    step = "seccomp, first stage";
    done = seccomp_before_exec() == 0;
  }
  if (done) {
    step = "execve";
    execve(arguments[0], (char *const *)arguments, (char *const *)variables);
  }
  int error = errno;
  close(ruleset);
  return sesame_throw_errno(env, step, error);
}
