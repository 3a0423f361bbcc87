/* Landlock: rules as data to a ruleset, masked by what the kernel knows. See landlock.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* linux/landlock.h, named here because the headers of older systems lack the newer half. */
#define EXECUTE (1ULL << 0)
#define WRITE_FILE (1ULL << 1)
#define READ_FILE (1ULL << 2)
#define READ_DIR (1ULL << 3)
#define REMOVE_DIR (1ULL << 4)
#define REMOVE_FILE (1ULL << 5)
#define MAKE_DIR (1ULL << 7)
#define MAKE_REG (1ULL << 8)
#define MAKE_SOCK (1ULL << 9)
#define REFER (1ULL << 13)     /* ABI 2: rename and link between directories */
#define TRUNCATE (1ULL << 14)  /* ABI 3 */
#define IOCTL_DEV (1ULL << 15) /* ABI 5 */
#define NET_TCP 3ULL           /* ABI 4: bind and connect */
#define SCOPE 3ULL             /* ABI 6: abstract Unix sockets, signals to others */
#define FOR_FILES (EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV)

#define CREATE_RULESET_VERSION 1U
#define RULE_PATH_BENEATH 1

struct ruleset_attr {
  uint64_t fs, net, scoped;
};

struct path_beneath_attr {
  uint64_t allowed;
  int32_t parent_fd;
} __attribute__((packed));

#define READ (READ_FILE | READ_DIR)
#define WRITE (READ | WRITE_FILE | TRUNCATE)
#define CREATE (WRITE | MAKE_REG | MAKE_DIR | MAKE_SOCK | REMOVE_FILE | REMOVE_DIR | REFER)

/* No rule gives devices, symbolic links or ioctls of devices. */
static const struct {
  char letter;
  uint64_t rights;
} accesses[] = {
    {'r', READ},           /* read files, list directories */
    {'x', READ | EXECUTE}, /* and start programs */
    {'w', WRITE},          /* read and write what is there */
    {'c', CREATE},         /* and create, rename, remove */
};

static uint64_t rights_of(char letter) {
  for (size_t i = 0; i < sizeof accesses / sizeof accesses[0]; i++) {
    if (accesses[i].letter == letter) return accesses[i].rights;
  }
  return 0;
}

int landlock_abi(void) {
  long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_RULESET_VERSION);
  return abi > 0 ? (int)abi : 0;
}

bool landlock_parse(const char *text, struct landlock_rule *rule) {
  if (rights_of(text[0]) == 0) return false;
  if (text[1] != '!' && text[1] != '?') return false;
  if (text[2] != '/') return false;
  *rule = (struct landlock_rule){text[0], text[1] == '?', text + 2};
  return true;
}

/* All rights on files that this version of Landlock can deny. */
static uint64_t handled(int abi) {
  uint64_t rights = REFER - 1;
  if (abi >= 2) rights |= REFER;
  if (abi >= 3) rights |= TRUNCATE;
  if (abi >= 5) rights |= IOCTL_DEV;
  return rights;
}

static int add_rule(int ruleset, uint64_t mask, const struct landlock_rule *rule) {
  uint64_t rights = rights_of(rule->access) & mask;
  int fd = open(rule->path, O_PATH | O_CLOEXEC | O_DIRECTORY);
  if (fd < 0 && errno == ENOTDIR) {
    rights &= FOR_FILES;
    fd = open(rule->path, O_PATH | O_CLOEXEC);
  }
  if (fd < 0) return rule->optional && (errno == ENOENT || errno == ENOTDIR) ? 0 : -1;
  struct path_beneath_attr beneath = {rights, fd};
  int result = (int)syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &beneath, 0);
  int error = errno;
  close(fd);
  errno = error;
  return result;
}

int landlock_ruleset(const struct landlock_rule *rules, int count, int *failed) {
  *failed = -1;
  int abi = landlock_abi();
  if (abi == 0) {
    errno = ENOSYS;
    return -1;
  }
  const struct ruleset_attr attr = {handled(abi), NET_TCP, SCOPE};
  /* Older kernels want the struct as short as they know it. */
  size_t size = abi >= 6 ? sizeof attr : offsetof(struct ruleset_attr, scoped);
  if (abi < 4) size = offsetof(struct ruleset_attr, net);
  int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
  for (int i = 0; ruleset >= 0 && i < count; i++) {
    if (add_rule(ruleset, attr.fs, &rules[i]) == 0) continue;
    int error = errno;
    close(ruleset);
    errno = error;
    *failed = i;
    return -1;
  }
  return ruleset;
}

int landlock_restrict(int ruleset) {
  return (int)syscall(SYS_landlock_restrict_self, ruleset, 0);
}
