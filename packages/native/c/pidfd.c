/*
 * A pidfd owned by a JavaScript object. The number never reaches JavaScript: a handle can be
 * closed once, by pidfdClose() or by the garbage collector, and never closes a descriptor that
 * meanwhile belongs to somebody else. The kernel makes pidfds close-on-exec.
 */
#include "pidfd.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

struct handle {
  int fd; /* -1 once closed */
};

/* Marks our handles, so that no other wrapped object is taken for one. Random, fixed. */
static const napi_type_tag handle_tag = {0x6f1d8a7be3c24590, 0x92b54c08d17ea3f6};

static void close_handle(struct handle *handle) {
  if (handle->fd < 0) return;
  close(handle->fd);
  handle->fd = -1;
}

static void finalize(napi_env env, void *data, void *hint) {
  (void)env;
  (void)hint;
  close_handle(data);
  free(data);
}

napi_value sesame_pidfd_wrap(napi_env env, int pidfd) {
  struct handle *handle = malloc(sizeof *handle);
  if (handle == NULL) {
    close(pidfd);
    return sesame_throw_errno(env, "malloc", ENOMEM);
  }
  handle->fd = pidfd;
  napi_value object;
  if (!sesame_ok(env, napi_create_object(env, &object)) ||
      !sesame_ok(env, napi_wrap(env, object, handle, finalize, NULL, NULL))) {
    finalize(env, handle, NULL);
    return NULL;
  }
  /* From here on the finalizer owns `handle`. */
  return sesame_ok(env, napi_type_tag_object(env, object, &handle_tag)) ? object : NULL;
}

static struct handle *unwrap(napi_env env, napi_callback_info info) {
  napi_value value;
  if (!sesame_arguments(env, info, 1, &value)) return NULL;
  napi_valuetype type;
  if (!sesame_ok(env, napi_typeof(env, value, &type))) return NULL;
  bool tagged = false;
  if (type == napi_object) {
    if (!sesame_ok(env, napi_check_object_type_tag(env, value, &handle_tag, &tagged))) return NULL;
  }
  if (!tagged) {
    sesame_throw_argument(env, "expected a pidfd handle");
    return NULL;
  }
  void *handle;
  return sesame_ok(env, napi_unwrap(env, value, &handle)) ? handle : NULL;
}

/* pidfdAlive(handle) -> boolean. A process that exited is dead, reaped or not (pidfd_open(2)). */
napi_value sesame_pidfd_alive(napi_env env, napi_callback_info info) {
  struct handle *handle = unwrap(env, info);
  if (handle == NULL) return NULL;
  if (handle->fd < 0) return sesame_throw_errno(env, "poll of a closed pidfd", EBADF);
  struct pollfd wait = {.fd = handle->fd, .events = POLLIN};
  int ready;
  do {
    ready = poll(&wait, 1, 0);
  } while (ready < 0 && errno == EINTR);
  if (ready < 0) return sesame_throw_errno(env, "poll", errno);
  return sesame_boolean(env, ready == 0);
}

/* pidfdClose(handle). A second call does nothing. */
napi_value sesame_pidfd_close(napi_env env, napi_callback_info info) {
  struct handle *handle = unwrap(env, info);
  if (handle != NULL) close_handle(handle);
  return NULL;
}
