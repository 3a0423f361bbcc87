/*
 * What the files of the addon share: reading arguments, and throwing errors.
 *
 * Every function that returns `bool` here answers false after it has thrown a JavaScript error;
 * its caller then returns NULL at once.
 */
#ifndef SESAME_ADDON_H
#define SESAME_ADDON_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#define NAPI_VERSION 8

#include <node_api.h>
#include <stdbool.h>
#include <stddef.h>

/* Throws an Error whose `code` is the name of `error` (an errno), such as "EACCES". */
napi_value sesame_throw_errno(napi_env env, const char *call, int error);

/* Throws a TypeError with the code ERR_INVALID_ARG_VALUE. */
napi_value sesame_throw_argument(napi_env env, const char *message);

/* True when Node-API did what it was asked; throws (unless an error is pending) when not. */
bool sesame_ok(napi_env env, napi_status status);

/* The first `count` arguments; missing ones are `undefined`. */
bool sesame_arguments(napi_env env, napi_callback_info info, size_t count, napi_value *out);

/* A whole number from 0 to `max`, which is at most 2^53 - 1. */
bool sesame_whole_number(napi_env env, napi_value value, double max, double *out);

/* A file descriptor number: whole, 0 to INT_MAX. Whether it is open is the kernel's to say. */
bool sesame_descriptor(napi_env env, napi_value value, int *out);

/*
 * A string as UTF-8, 1 to `size - 1` bytes, without NUL, into `out[size]`, NUL-terminated.
 * The length is checked before a byte is copied. A longer string throws ENAMETOOLONG.
 */
bool sesame_string(napi_env env, napi_value value, char *out, size_t size, size_t *length);

/* The bytes of a Uint8Array; valid until JavaScript runs again. */
bool sesame_bytes(napi_env env, napi_value value, const unsigned char **bytes, size_t *length);

bool sesame_set_number(napi_env env, napi_value object, const char *name, double number);
napi_value sesame_boolean(napi_env env, bool value);
napi_value sesame_number(napi_env env, double value);
napi_value sesame_null(napi_env env);

/* The functions of the addon, one file per noun. */
napi_value sesame_peer_credentials(napi_env env, napi_callback_info info);
napi_value sesame_peer_pidfd(napi_env env, napi_callback_info info);
napi_value sesame_pidfd_alive(napi_env env, napi_callback_info info);
napi_value sesame_pidfd_close(napi_env env, napi_callback_info info);
napi_value sesame_notify(napi_env env, napi_callback_info info);
napi_value sesame_try_lock(napi_env env, napi_callback_info info);
napi_value sesame_lock_holder(napi_env env, napi_callback_info info);
napi_value sesame_reset_signals(napi_env env, napi_callback_info info);
napi_value sesame_nofile(napi_env env, napi_callback_info info);
napi_value sesame_set_nofile(napi_env env, napi_callback_info info);
napi_value sesame_secure_alloc(napi_env env, napi_callback_info info);
napi_value sesame_secure_free(napi_env env, napi_callback_info info);
napi_value sesame_secure_protect(napi_env env, napi_callback_info info);
napi_value sesame_secure_memory(napi_env env, napi_callback_info info);
napi_value sesame_clear_stack(napi_env env, napi_callback_info info);
napi_value sesame_harden(napi_env env, napi_callback_info info);
napi_value sesame_hardening(napi_env env, napi_callback_info info);
napi_value sesame_set_no_new_privs(napi_env env, napi_callback_info info);
napi_value sesame_landlock_abi(napi_env env, napi_callback_info info);
napi_value sesame_sandbox_exec(napi_env env, napi_callback_info info);
napi_value sesame_restrict_syscalls(napi_env env, napi_callback_info info);
napi_value sesame_sealed_memfd(napi_env env, napi_callback_info info);

#endif
