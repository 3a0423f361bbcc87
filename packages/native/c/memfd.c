/* A secret for a child process: a file without a name that nobody can change any more. */
#include "addon.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

/* Since Linux 6.3: never executable. Older kernels answer EINVAL. */
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8U
#endif

static int fill_and_seal(int fd, const unsigned char *bytes, size_t length) {
  for (size_t done = 0; done < length;) {
    ssize_t written = write(fd, bytes + done, length - done);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    done += (size_t)written;
  }
  if (lseek(fd, 0, SEEK_SET) != 0) return errno;
  const int seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
  if (fcntl(fd, F_ADD_SEALS, seals) != 0) return errno;
  /* Last: a program started meanwhile by another thread does not get it. */
  return fcntl(fd, F_SETFD, 0) == 0 ? 0 : errno;
}

/* sealedMemfd(bytes) -> fd, at its start, sealed, inherited across execve(2). */
napi_value sesame_sealed_memfd(napi_env env, napi_callback_info info) {
  napi_value value;
  const unsigned char *bytes;
  size_t length;
  if (!sesame_arguments(env, info, 1, &value)) return NULL;
  if (!sesame_bytes(env, value, &bytes, &length)) return NULL;
  const unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  int fd = memfd_create("sesame", flags | MFD_NOEXEC_SEAL);
  if (fd < 0 && errno == EINVAL) fd = memfd_create("sesame", flags);
  if (fd < 0) return sesame_throw_errno(env, "memfd_create", errno);
  int error = fill_and_seal(fd, bytes, length);
  if (error == 0) return sesame_number(env, fd);
  close(fd);
  return sesame_throw_errno(env, "writing a sealed memfd", error);
}
