/* Secure memory as external ArrayBuffers: the Node side of secure.c. */
#include "addon.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>

#include "secure.h"

/* Marks our buffers, so that no other wrapped object is taken for one. Random, fixed. */
static const napi_type_tag buffer_tag = {0x3b8e5d1907fa46c2, 0xa17c60f9b2d4835e};

/* Runs on the thread of `env`: after collection, after freeSecure(), or when `env` ends. */
static void finalize(napi_env env, void *data, void *hint) {
  (void)env;
  (void)data;
  secure_destroy(hint);
}

static napi_value throw_no_memory(napi_env env, size_t length, int error) {
  if (error == EINVAL) return sesame_throw_argument(env, "expected a length of 1 to 2^30 bytes");
  if (error != EAGAIN && error != ENOMEM && error != EPERM) {
    return sesame_throw_errno(env, "allocating secure memory", error);
  }
  struct rlimit limit = {0, 0};
  getrlimit(RLIMIT_MEMLOCK, &limit);
  char message[200];
  snprintf(message, sizeof message,
           "no locked memory left for a secret of %zu bytes: the limit is %llu KiB, %zu KiB are "
           "in use; raise LimitMEMLOCK= of the unit (or ulimit -l)",
           length, (unsigned long long)limit.rlim_cur / 1024, secure_statistics().bytes / 1024);
  napi_throw_error(env, "ERR_SESAME_LOCKED_MEMORY", message);
  return NULL;
}

/* allocSecure(length) -> ArrayBuffer, zeroed. */
napi_value sesame_secure_alloc(napi_env env, napi_callback_info info) {
  napi_value value, buffer;
  double length;
  if (!sesame_arguments(env, info, 1, &value)) return NULL;
  if (!sesame_whole_number(env, value, (double)SECURE_MAX, &length)) return NULL;
  int error;
  struct secure_block *block = secure_alloc((size_t)length, &error);
  if (block == NULL) return throw_no_memory(env, (size_t)length, error);
  napi_status status = napi_create_external_arraybuffer(env, block->data, block->length, finalize,
                                                        block, &buffer);
  if (!sesame_ok(env, status)) {
    secure_destroy(block);
    return NULL;
  }
  /* From here on the finalizer owns `block`. */
  if (!sesame_ok(env, napi_wrap(env, buffer, block, NULL, NULL, NULL))) return NULL;
  return sesame_ok(env, napi_type_tag_object(env, buffer, &buffer_tag)) ? buffer : NULL;
}

/*
 * The block behind an ArrayBuffer of ours. A detached one still has its pointer, but its block is
 * gone or about to go. NULL after an error was thrown.
 */
static struct secure_block *block_of(napi_env env, napi_value buffer) {
  bool is_buffer = false, tagged = false, detached = true;
  if (!sesame_ok(env, napi_is_arraybuffer(env, buffer, &is_buffer))) return NULL;
  if (is_buffer) {
    napi_status status = napi_check_object_type_tag(env, buffer, &buffer_tag, &tagged);
    if (!sesame_ok(env, status)) return NULL;
    if (!sesame_ok(env, napi_is_detached_arraybuffer(env, buffer, &detached))) return NULL;
  }
  if (!tagged || detached) {
    sesame_throw_argument(env, "expected memory of allocSecure() that was not freed");
    return NULL;
  }
  void *block;
  return sesame_ok(env, napi_unwrap(env, buffer, &block)) ? block : NULL;
}

/* freeSecure(ArrayBuffer): wiped now, and detached. */
napi_value sesame_secure_free(napi_env env, napi_callback_info info) {
  napi_value buffer;
  if (!sesame_arguments(env, info, 1, &buffer)) return NULL;
  struct secure_block *block = block_of(env, buffer);
  if (block == NULL) return NULL;
  /* Released first: detaching lets the finalizer run, which frees the block. */
  secure_release(block);
  sesame_ok(env, napi_detach_arraybuffer(env, buffer));
  return NULL;
}

/* protectSecure(ArrayBuffer, 0 none | 1 read-only | 2 read-write). EINVAL for shared pages. */
napi_value sesame_secure_protect(napi_env env, napi_callback_info info) {
  napi_value values[2];
  double access;
  if (!sesame_arguments(env, info, 2, values)) return NULL;
  if (!sesame_whole_number(env, values[1], SECURE_READ_WRITE, &access)) return NULL;
  struct secure_block *block = block_of(env, values[0]);
  if (block == NULL) return NULL;
  int error = secure_protect(block, (enum secure_access)(int)access);
  return error == 0 ? NULL : sesame_throw_errno(env, "protecting secure memory", error);
}

/* secureMemory() -> { kind: 0 none | 1 mlock | 2 memfd_secret, bytes, allocations }. */
napi_value sesame_secure_memory(napi_env env, napi_callback_info info) {
  (void)info;
  if (secure_statistics().kind == SECURE_UNKNOWN) {
    int error;
    struct secure_block *probe = secure_alloc(1, &error);
    if (probe != NULL) secure_destroy(probe);
  }
  struct secure_stats stats = secure_statistics();
  napi_value result;
  if (!sesame_ok(env, napi_create_object(env, &result))) return NULL;
  if (!sesame_set_number(env, result, "kind", stats.kind)) return NULL;
  if (!sesame_set_number(env, result, "bytes", (double)stats.bytes)) return NULL;
  if (!sesame_set_number(env, result, "allocations", (double)stats.allocations)) return NULL;
  return result;
}
