/* The list of functions that JavaScript sees, and nothing else. */
#include "addon.h"

/* Not writable, enumerable or configurable: the addon's object cannot be patched by scripts. */
#define FUNCTION(name, function)                                                                   \
  { name, NULL, function, NULL, NULL, NULL, napi_default, NULL }

NAPI_MODULE_INIT() {
  static const napi_property_descriptor functions[] = {
      FUNCTION("peerCredentials", sesame_peer_credentials),
      FUNCTION("peerPidfd", sesame_peer_pidfd),
      FUNCTION("pidfdAlive", sesame_pidfd_alive),
      FUNCTION("pidfdClose", sesame_pidfd_close),
      FUNCTION("notify", sesame_notify),
      FUNCTION("tryLock", sesame_try_lock),
      FUNCTION("lockHolder", sesame_lock_holder),
      FUNCTION("resetSignals", sesame_reset_signals),
      FUNCTION("nofile", sesame_nofile),
      FUNCTION("setNofile", sesame_set_nofile),
      FUNCTION("allocSecure", sesame_secure_alloc),
      FUNCTION("freeSecure", sesame_secure_free),
      FUNCTION("protectSecure", sesame_secure_protect),
      FUNCTION("secureMemory", sesame_secure_memory),
      FUNCTION("clearStack", sesame_clear_stack),
      FUNCTION("harden", sesame_harden),
      FUNCTION("hardening", sesame_hardening),
      FUNCTION("setNoNewPrivs", sesame_set_no_new_privs),
      FUNCTION("landlockAbi", sesame_landlock_abi),
      FUNCTION("sandboxExec", sesame_sandbox_exec),
      FUNCTION("restrictSyscalls", sesame_restrict_syscalls),
      FUNCTION("sealedMemfd", sesame_sealed_memfd),
  };
  size_t count = sizeof functions / sizeof functions[0];
  return sesame_ok(env, napi_define_properties(env, exports, count, functions)) ? exports : NULL;
}
