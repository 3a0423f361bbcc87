/* Secure memory: bounds, canaries, wiping, and a random walk over all of its functions. */
#include "../secure.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>

#include "check.h"

static struct secure_block *allocate(size_t length) {
  int error;
  struct secure_block *block = secure_alloc(length, &error);
  CHECK(block != NULL);
  CHECK((uintptr_t)block->data % 16 == 0);
  for (size_t i = 0; i < length; i++) CHECK(block->data[i] == 0);
  return block;
}

static size_t length_under_test;
static long offset_under_test;

/* SECURITY: a write past a key would change its neighbour unnoticed. */
static void write_outside(void) {
  struct secure_block *block = allocate(length_under_test);
  block->data[offset_under_test] ^= 1;
  if (freopen("/dev/null", "w", stderr) == NULL) _exit(2);
  secure_destroy(block);
}

static void damage_is_found(void) {
  static const size_t lengths[] = {1, 15, 16, 31, 32, 100, 1024, 1025, 4000};
  for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
    length_under_test = lengths[i];
    offset_under_test = -1;
    CHECK(outcome(write_outside) == -SIGABRT);
    offset_under_test = -16;
    CHECK(outcome(write_outside) == -SIGABRT);
    /* Behind a large allocation that fills its pages lies the guard page. */
    offset_under_test = (long)lengths[i];
    int end = outcome(write_outside);
    CHECK(end == -SIGABRT || (lengths[i] > 1024 && end == -SIGSEGV));
  }
}

static void freed_memory_is_wiped(void) {
  struct secure_block *keeps_the_page = allocate(32);
  struct secure_block *block = allocate(32);
  unsigned char *data = block->data;
  memset(data, 0x5a, 32);
  secure_release(block);
  CHECK(block->data == NULL);
  for (size_t i = 0; i < 32; i++) CHECK(data[i] == 0);
  secure_release(block);
  secure_destroy(block);
  secure_destroy(keeps_the_page);
}

static void protected_pages_are_freed(void) {
  struct secure_block *small = allocate(1024), *large = allocate(1025);
  CHECK(secure_protect(small, SECURE_READ_ONLY) == EINVAL);
  CHECK(secure_protect(large, SECURE_NO_ACCESS) == 0);
  secure_destroy(large);
  secure_destroy(small);
}

/* SECURITY: keys would move to memory that root and debuggers read, and nobody would notice. */
static void no_second_best_later(void) {
  secure_destroy(allocate(32));
  if (secure_statistics().kind != SECURE_MEMFD) return;
  struct sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 447 /* memfd_secret */, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog filter = {sizeof code / sizeof code[0], code};
  CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
  CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0);
  int error;
  CHECK(secure_alloc(32, &error) == NULL && error == ENOSYS);
}

static void random_walk(void) {
  enum { LIVE = 200, STEPS = 20000 };
  struct secure_block *live[LIVE] = {0};
  srandom(1);
  for (int step = 0; step < STEPS; step++) {
    int i = (int)(random() % LIVE);
    if (live[i] == NULL) {
      live[i] = allocate((size_t)(1 + random() % (random() % 20 == 0 ? 9000 : 300)));
      memset(live[i]->data, i, live[i]->length);
      continue;
    }
    for (size_t at = 0; at < live[i]->length; at++) CHECK(live[i]->data[at] == i % 256);
    secure_destroy(live[i]);
    live[i] = NULL;
  }
  for (int i = 0; i < LIVE; i++) {
    if (live[i] != NULL) secure_destroy(live[i]);
  }
  CHECK(secure_statistics().allocations == 0);
  CHECK(secure_statistics().bytes == 0);
}

static struct secure_block *left[2];

/* Runs after the destructor of secure.c: lower priorities come later. */
__attribute__((destructor(101))) static void what_is_left_at_exit_is_wiped(void) {
  for (int i = 0; i < 2; i++) {
    if (left[i] == NULL) continue;
    for (size_t at = 0; at < left[i]->length; at++) {
      if (left[i]->data[at] == 0) continue;
      fprintf(stderr, "a secret survived exit()\n");
      _exit(1);
    }
    free(left[i]);
  }
}

int main(void) {
  int error;
  CHECK(secure_alloc(0, &error) == NULL && error == EINVAL);
  CHECK(secure_alloc(SECURE_MAX + 1, &error) == NULL && error == EINVAL);
  damage_is_found();
  freed_memory_is_wiped();
  protected_pages_are_freed();
  CHECK(outcome(no_second_best_later) == 0);
  random_walk();
  left[0] = allocate(32);
  left[1] = allocate(5000);
  memset(left[0]->data, 0x5a, 32);
  memset(left[1]->data, 0x5a, 5000);
  CHECK(secure_protect(left[1], SECURE_NO_ACCESS) == 0);
  puts("secure: ok");
  return 0;
}
