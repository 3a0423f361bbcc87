/* One datagram of the service notification protocol (sd_notify(3), "Notes"). */
#include "addon.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* systemd reads no more than one page of a message (its NOTIFY_BUFFER_MAX). */
#define MESSAGE_MAX 4096

/* notify(socketPath, message). Never blocks: EAGAIN when the receiver's queue is full. */
napi_value sesame_notify(napi_env env, napi_callback_info info) {
  napi_value values[2];
  if (!sesame_arguments(env, info, 2, values)) return NULL;
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  size_t path_length;
  if (!sesame_string(env, values[0], address.sun_path, sizeof address.sun_path, &path_length)) {
    return NULL;
  }
  char message[MESSAGE_MAX + 1];
  size_t length;
  if (!sesame_string(env, values[1], message, sizeof message, &length)) return NULL;

  /* '@' stands for the NUL that starts an abstract name; such a name has no terminator. */
  socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path_length);
  if (address.sun_path[0] == '@') {
    address.sun_path[0] = 0;
  } else if (address.sun_path[0] != '/') {
    return sesame_throw_errno(env, "notify to a path that is not absolute", EAFNOSUPPORT);
  } else {
    size += 1;
  }

  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return sesame_throw_errno(env, "socket", errno);
  const struct sockaddr *to = (const struct sockaddr *)&address;
  ssize_t sent = sendto(fd, message, length, MSG_NOSIGNAL, to, size);
  int error = errno;
  close(fd);
  return sent < 0 ? sesame_throw_errno(env, "sendto", error) : NULL;
}
