/* Who is at the other end of a connected Unix socket: credentials and a pidfd (socket(7)). */
#include "addon.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "pidfd.h"

/* Since Linux 6.5; same number on x86-64 and arm64, absent from older headers. */
#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

/*
 * Refuses where the kernel would answer with somebody who is no peer: sockets that are no Unix
 * sockets (made-up values), and listening ones (whoever called listen(), such as systemd).
 */
static bool peer_socket(napi_env env, napi_callback_info info, int *fd) {
  napi_value value;
  if (!sesame_arguments(env, info, 1, &value)) return false;
  if (!sesame_descriptor(env, value, fd)) return false;
  int domain, listening;
  socklen_t size = sizeof domain;
  if (getsockopt(*fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) != 0) {
    sesame_throw_errno(env, "getsockopt(SO_DOMAIN)", errno);
    return false;
  }
  if (domain != AF_UNIX) {
    sesame_throw_errno(env, "peer of a socket that is no Unix socket", EAFNOSUPPORT);
    return false;
  }
  size = sizeof listening;
  if (getsockopt(*fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) != 0) {
    sesame_throw_errno(env, "getsockopt(SO_ACCEPTCONN)", errno);
    return false;
  }
  if (listening) sesame_throw_errno(env, "peer of a listening socket", ENOTCONN);
  return !listening;
}

/* peerCredentials(fd) -> { pid, uid, gid }, fixed by the kernel at connect() or socketpair(). */
napi_value sesame_peer_credentials(napi_env env, napi_callback_info info) {
  int fd;
  if (!peer_socket(env, info, &fd)) return NULL;
  struct ucred peer;
  socklen_t size = sizeof peer;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
    return sesame_throw_errno(env, "getsockopt(SO_PEERCRED)", errno);
  }
  /* How the kernel says that there is no peer; no process can have this uid. */
  if (peer.uid == (uid_t)-1) return sesame_throw_errno(env, "getsockopt(SO_PEERCRED)", ENOTCONN);
  napi_value result;
  if (!sesame_ok(env, napi_create_object(env, &result))) return NULL;
  if (!sesame_set_number(env, result, "pid", peer.pid)) return NULL;
  if (!sesame_set_number(env, result, "uid", peer.uid)) return NULL;
  if (!sesame_set_number(env, result, "gid", peer.gid)) return NULL;
  return result;
}

/* peerPidfd(fd) -> handle | null, null where the kernel has no SO_PEERPIDFD. */
napi_value sesame_peer_pidfd(napi_env env, napi_callback_info info) {
  int fd;
  if (!peer_socket(env, info, &fd)) return NULL;
  int pidfd;
  socklen_t size = sizeof pidfd;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &size) != 0) {
    if (errno == ENOPROTOOPT) return sesame_null(env);
    /* A peer that is gone and reaped: kernels differ in the error, callers should not have to. */
    int error = errno == EINVAL || errno == ENODATA ? ESRCH : errno;
    return sesame_throw_errno(env, "getsockopt(SO_PEERPIDFD)", error);
  }
  return sesame_pidfd_wrap(env, pidfd);
}
