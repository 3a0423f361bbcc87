/* What calls leave behind on the stack. */
#include "addon.h"

/* Bytes; the deepest that the libraries in this process have been seen to leave a key is 40 KiB. */
#define DEPTH (128 * 1024)

/*
 * clearStack(): zeroes the stack below the caller, where the frames of calls that it made lay.
 *
 * A library that is given a key keeps it in local variables for as long as nothing else happens to
 * be written there.
 */
napi_value sesame_clear_stack(napi_env env, napi_callback_info info) {
  (void)env;
  (void)info;
  volatile unsigned char below[DEPTH];
  for (size_t i = 0; i < sizeof below; i++) below[i] = 0;
  return NULL;
}
