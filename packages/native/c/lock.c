/*
 * Single-instance locks: a POSIX write lock on a whole file (fcntl(2), "Advisory record
 * locking"). The kernel drops it when its process ends, however it ends, and names its holder.
 * It is also dropped when the process closes ANY descriptor of that file.
 */
#include "addon.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static bool descriptor(napi_env env, napi_callback_info info, int *fd) {
  napi_value value;
  return sesame_arguments(env, info, 1, &value) && sesame_descriptor(env, value, fd);
}

static struct flock whole_file(void) {
  return (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 0};
}

/* tryLock(fd) -> boolean, false while another process holds a lock. Needs a writable fd. */
napi_value sesame_try_lock(napi_env env, napi_callback_info info) {
  int fd;
  if (!descriptor(env, info, &fd)) return NULL;
  struct flock lock = whole_file();
  if (fcntl(fd, F_SETLK, &lock) == 0) return sesame_boolean(env, true);
  if (errno == EACCES || errno == EAGAIN) return sesame_boolean(env, false);
  return sesame_throw_errno(env, "fcntl(F_SETLK)", errno);
}

/*
 * lockHolder(fd) -> pid | null. The caller's own lock is not reported. 0 where the holder has
 * no pid here: a process of another pid namespace, or a lock that belongs to an open file.
 */
napi_value sesame_lock_holder(napi_env env, napi_callback_info info) {
  int fd;
  if (!descriptor(env, info, &fd)) return NULL;
  struct flock lock = whole_file();
  if (fcntl(fd, F_GETLK, &lock) != 0) return sesame_throw_errno(env, "fcntl(F_GETLK)", errno);
  if (lock.l_type == F_UNLCK) return sesame_null(env);
  return sesame_number(env, lock.l_pid > 0 ? lock.l_pid : 0);
}
