/* The signal state that a program expects to start with. */
#include "addon.h"

#include <errno.h>
#include <signal.h>

/* 1 to 31: the standard signals, the only ones whose disposition Node changes. */
#define STANDARD_SIGNALS 31

/*
 * resetSignals(): default action for all standard signals, none blocked on this thread.
 *
 * Node ignores SIGPIPE and SIGXFSZ and, under --disable-sigusr1, blocks SIGUSR1. Ignored and
 * blocked signals survive execve(2), and process.execve() leaves them so (Node 22, 24 and 26:
 * SigIgn 1001000, SigBlk 200): `yes | head` would then report a write error instead of ending.
 * Node's child_process resets them by itself. What this process inherited as ignored (nohup)
 * is lost: Node has set those signals to their default when it started.
 */
napi_value sesame_reset_signals(napi_env env, napi_callback_info info) {
  (void)info;
  struct sigaction action = {.sa_handler = SIG_DFL};
  for (int number = 1; number <= STANDARD_SIGNALS; number++) {
    if (number == SIGKILL || number == SIGSTOP) continue;
    if (sigaction(number, &action, NULL) != 0) {
      return sesame_throw_errno(env, "sigaction", errno);
    }
  }
  sigset_t none;
  sigemptyset(&none);
  int error = pthread_sigmask(SIG_SETMASK, &none, NULL);
  return error == 0 ? NULL : sesame_throw_errno(env, "pthread_sigmask", error);
}
