/*
 * RLIMIT_NOFILE, the limit of open files. Node raises the soft limit to the hard one when it
 * starts, and a program started by process.execve() inherits that (seen on Node 24: 777 becomes
 * the hard limit); programs that use select(2) break above 1024.
 */
#include "addon.h"

#include <errno.h>
#include <math.h>
#include <sys/resource.h>

#define LARGEST_WHOLE_NUMBER 9007199254740991.0 /* 2^53 - 1 */

static double as_number(rlim_t value) {
  return value == RLIM_INFINITY ? INFINITY : (double)value;
}

/* nofile() -> { soft, hard }, Infinity for "unlimited". */
napi_value sesame_nofile(napi_env env, napi_callback_info info) {
  (void)info;
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return sesame_throw_errno(env, "getrlimit", errno);
  napi_value result;
  if (!sesame_ok(env, napi_create_object(env, &result))) return NULL;
  if (!sesame_set_number(env, result, "soft", as_number(limit.rlim_cur))) return NULL;
  if (!sesame_set_number(env, result, "hard", as_number(limit.rlim_max))) return NULL;
  return result;
}

/* setNofile(soft): the hard limit stays; EINVAL above it. */
napi_value sesame_set_nofile(napi_env env, napi_callback_info info) {
  napi_value value;
  double soft;
  if (!sesame_arguments(env, info, 1, &value)) return NULL;
  if (!sesame_whole_number(env, value, LARGEST_WHOLE_NUMBER, &soft)) return NULL;
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return sesame_throw_errno(env, "getrlimit", errno);
  limit.rlim_cur = (rlim_t)soft;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) return sesame_throw_errno(env, "setrlimit", errno);
  return NULL;
}
