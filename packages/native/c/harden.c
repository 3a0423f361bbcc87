/* What protects a process from others of the same user: prctl(2), getrlimit(2). */
#include "addon.h"

#include <errno.h>
#include <sys/prctl.h>
#include <sys/resource.h>

/*
 * harden(): not dumpable, so that no process of this user reads its memory or attaches to it,
 * and no core dumps, for good. execve(2) makes a process dumpable again.
 */
napi_value sesame_harden(napi_env env, napi_callback_info info) {
  (void)info;
  const struct rlimit none = {0, 0};
  if (setrlimit(RLIMIT_CORE, &none) != 0) return sesame_throw_errno(env, "setrlimit", errno);
  if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) {
    return sesame_throw_errno(env, "prctl(PR_SET_DUMPABLE)", errno);
  }
  return NULL;
}

/* hardening() -> { dumpable, coreLimit, noNewPrivs, seccomp }: as this thread finds them. */
napi_value sesame_hardening(napi_env env, napi_callback_info info) {
  (void)info;
  struct rlimit core;
  if (getrlimit(RLIMIT_CORE, &core) != 0) return sesame_throw_errno(env, "getrlimit", errno);
  /* The hard limit: what the process could still raise the soft one to. */
  const struct {
    const char *name;
    double value;
  } state[] = {
      {"dumpable", prctl(PR_GET_DUMPABLE, 0, 0, 0, 0)},
      {"coreLimit", core.rlim_max == RLIM_INFINITY ? __builtin_inf() : (double)core.rlim_max},
      {"noNewPrivs", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)},
      {"seccomp", prctl(PR_GET_SECCOMP, 0, 0, 0, 0)},
  };
  napi_value result;
  if (!sesame_ok(env, napi_create_object(env, &result))) return NULL;
  for (size_t i = 0; i < sizeof state / sizeof state[0]; i++) {
    if (!sesame_set_number(env, result, state[i].name, state[i].value)) return NULL;
  }
  return result;
}

/* setNoNewPrivs(): for this thread and what it starts; needed before any filter. */
napi_value sesame_set_no_new_privs(napi_env env, napi_callback_info info) {
  (void)info;
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    return sesame_throw_errno(env, "prctl(PR_SET_NO_NEW_PRIVS)", errno);
  }
  return NULL;
}
