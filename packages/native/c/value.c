/* Values in and out of JavaScript, and errors with a code. */
#include "addon.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

static const char *errno_name(int error) {
  switch (error) {
#define NAME(name)                                                                                 \
  case name:                                                                                       \
    return #name
    NAME(E2BIG);
    NAME(EACCES);
    NAME(EAFNOSUPPORT);
    NAME(EAGAIN);
    NAME(EBADF);
    NAME(EBUSY);
    NAME(ECONNREFUSED);
    NAME(EDEADLK);
    NAME(EFAULT);
    NAME(EINTR);
    NAME(EINVAL);
    NAME(EIO);
    NAME(ELOOP);
    NAME(EMFILE);
    NAME(EMSGSIZE);
    NAME(ENAMETOOLONG);
    NAME(ENFILE);
    NAME(ENOBUFS);
    NAME(ENODATA);
    NAME(ENOENT);
    NAME(ENOEXEC);
    NAME(ENOLCK);
    NAME(ENOMEM);
    NAME(ENOPROTOOPT);
    NAME(ENOSPC);
    NAME(ENOSYS);
    NAME(ENOTCONN);
    NAME(ENOTDIR);
    NAME(ENOTSOCK);
    NAME(EOPNOTSUPP);
    NAME(EPERM);
    NAME(EPIPE);
    NAME(EPROTOTYPE);
    NAME(ESRCH);
#undef NAME
  default:
    return "EUNKNOWN";
  }
}

napi_value sesame_throw_errno(napi_env env, const char *call, int error) {
  char message[256];
  snprintf(message, sizeof message, "%s failed: %s (errno %d)", call, errno_name(error), error);
  napi_throw_error(env, errno_name(error), message);
  return NULL;
}

napi_value sesame_throw_argument(napi_env env, const char *message) {
  napi_throw_type_error(env, "ERR_INVALID_ARG_VALUE", message);
  return NULL;
}

bool sesame_ok(napi_env env, napi_status status) {
  if (status == napi_ok) return true;
  bool pending = false;
  if (napi_is_exception_pending(env, &pending) != napi_ok || !pending) {
    napi_throw_error(env, "ERR_NODE_API", "a Node-API call failed");
  }
  return false;
}

bool sesame_arguments(napi_env env, napi_callback_info info, size_t count, napi_value *out) {
  return sesame_ok(env, napi_get_cb_info(env, info, &count, out, NULL, NULL));
}

static bool has_type(napi_env env, napi_value value, napi_valuetype wanted) {
  napi_valuetype type;
  return napi_typeof(env, value, &type) == napi_ok && type == wanted;
}

bool sesame_whole_number(napi_env env, napi_value value, double max, double *out) {
  double number = -1;
  if (has_type(env, value, napi_number)) {
    if (!sesame_ok(env, napi_get_value_double(env, value, &number))) return false;
  }
  /* The first two comparisons are false for NaN, and keep the cast within its range. */
  if (!(number >= 0 && number <= max) || number != (double)(long long)number) {
    sesame_throw_argument(env, "expected a whole number within its range");
    return false;
  }
  *out = number;
  return true;
}

bool sesame_descriptor(napi_env env, napi_value value, int *out) {
  double number;
  if (!sesame_whole_number(env, value, INT_MAX, &number)) return false;
  *out = (int)number;
  return true;
}

bool sesame_string(napi_env env, napi_value value, char *out, size_t size, size_t *length) {
  size_t needed = 0;
  if (!has_type(env, value, napi_string)) {
    sesame_throw_argument(env, "expected a string");
    return false;
  }
  if (!sesame_ok(env, napi_get_value_string_utf8(env, value, NULL, 0, &needed))) return false;
  if (needed >= size) {
    sesame_throw_errno(env, "reading a string argument", ENAMETOOLONG);
    return false;
  }
  if (!sesame_ok(env, napi_get_value_string_utf8(env, value, out, size, length))) return false;
  if (*length == 0 || memchr(out, 0, *length) != NULL) {
    sesame_throw_argument(env, "expected a string that is not empty and holds no NUL");
    return false;
  }
  return true;
}

bool sesame_bytes(napi_env env, napi_value value, const unsigned char **bytes, size_t *length) {
  bool is_typed = false;
  napi_typedarray_type type = napi_int8_array;
  void *data = NULL;
  if (!sesame_ok(env, napi_is_typedarray(env, value, &is_typed))) return false;
  if (is_typed) {
    napi_status status = napi_get_typedarray_info(env, value, &type, length, &data, NULL, NULL);
    if (!sesame_ok(env, status)) return false;
  }
  if (type != napi_uint8_array) {
    sesame_throw_argument(env, "expected a Uint8Array");
    return false;
  }
  *bytes = data;
  return true;
}

napi_value sesame_number(napi_env env, double value) {
  napi_value result;
  return sesame_ok(env, napi_create_double(env, value, &result)) ? result : NULL;
}

napi_value sesame_boolean(napi_env env, bool value) {
  napi_value result;
  return sesame_ok(env, napi_get_boolean(env, value, &result)) ? result : NULL;
}

napi_value sesame_null(napi_env env) {
  napi_value result;
  return sesame_ok(env, napi_get_null(env, &result)) ? result : NULL;
}

bool sesame_set_number(napi_env env, napi_value object, const char *name, double number) {
  napi_value value = sesame_number(env, number);
  return value != NULL && sesame_ok(env, napi_set_named_property(env, object, name, value));
}
