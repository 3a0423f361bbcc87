/* The second stage of the system call filter: the Node side of seccomp.c. */
#include "addon.h"

#include <errno.h>

#include "seccomp.h"

/* restrictSyscalls(0 bus | 1 vault, 0 errno | 1 kill | 2 tell): all threads, for good. */
napi_value sesame_restrict_syscalls(napi_env env, napi_callback_info info) {
  napi_value values[2];
  double profile, denial;
  if (!sesame_arguments(env, info, 2, values)) return NULL;
  if (!sesame_whole_number(env, values[0], SECCOMP_VAULT, &profile)) return NULL;
  if (!sesame_whole_number(env, values[1], SECCOMP_TELL, &denial)) return NULL;
  int result = seccomp_all_threads((enum seccomp_profile)(int)profile,
                                   (enum seccomp_denial)(int)denial);
  return result == 0 ? NULL : sesame_throw_errno(env, "seccomp, second stage", errno);
}
