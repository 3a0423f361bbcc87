#ifndef SESAME_PIDFD_H
#define SESAME_PIDFD_H

#include "addon.h"

/* Takes over `pidfd` (also when it fails) and answers the handle that owns it, or NULL. */
napi_value sesame_pidfd_wrap(napi_env env, int pidfd);

#endif
