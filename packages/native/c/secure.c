/* Locked memory for secrets; see secure.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "secure.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Since Linux 5.14; same number on x86-64 and arm64. */
#ifndef SYS_memfd_secret
#define SYS_memfd_secret 447
#endif

#define CANARY ((size_t)16)

/* Largest data of a shared slot; each slot is that and two canaries. */
static const size_t classes[] = {16, 32, 64, 128, 256, 1024};

/* One mapping: guard page, `size` bytes, guard page. Kept apart from the bytes it describes. */
struct secure_region {
  struct secure_region *next;
  unsigned char *start; /* behind the first guard page */
  size_t size, slot_size, slots, used;
  bool busy[]; /* one of each slot */
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct secure_region *regions;
static struct secure_stats stats;
static unsigned char canary[CANARY]; /* random, zero until the first allocation */

static size_t round_up(size_t value, size_t to) {
  return (value + to - 1) / to * to;
}

/* Zeroed pages at `at`, and what kind they are. A kind once found is never given up for less. */
static int map_locked(unsigned char *at, size_t size) {
  const int access = PROT_READ | PROT_WRITE;
  if (stats.kind != SECURE_MLOCK) {
    int fd = (int)syscall(SYS_memfd_secret, O_CLOEXEC);
    if (fd >= 0) {
      bool mapped = ftruncate(fd, (off_t)size) == 0 &&
                    mmap(at, size, access, MAP_SHARED | MAP_FIXED, fd, 0) != MAP_FAILED;
      int error = errno;
      close(fd);
      if (!mapped) return error;
      stats.kind = SECURE_MEMFD;
      return 0;
    }
    /* ENOSYS: too old, or not enabled. EPERM: somebody's system call filter. */
    if (stats.kind == SECURE_MEMFD || (errno != ENOSYS && errno != EPERM)) return errno;
  }
  void *pages = mmap(at, size, access, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  if (pages == MAP_FAILED || mlock(at, size) != 0) return errno;
  stats.kind = SECURE_MLOCK;
  return 0;
}

static struct secure_region *map_region(size_t size, size_t slot_size, int *error) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  size_t slots = size / slot_size;
  struct secure_region *region = calloc(1, sizeof *region + slots * sizeof region->busy[0]);
  *error = ENOMEM;
  if (region == NULL) return NULL;
  size_t whole = size + 2 * page;
  unsigned char *guard = mmap(NULL, whole, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (guard == MAP_FAILED) goto fail;
  *region = (struct secure_region){regions, guard + page, size, slot_size, slots, 0};
  *error = map_locked(region->start, size);
  if (*error == 0 && madvise(region->start, size, MADV_DONTDUMP) != 0) *error = errno;
  if (*error == 0 && madvise(region->start, size, MADV_DONTFORK) != 0) *error = errno;
  if (*error != 0) {
    munmap(guard, whole);
    goto fail;
  }
  regions = region;
  stats.bytes += size;
  return region;
fail:
  free(region);
  return NULL;
}

static void unmap_region(struct secure_region *region) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  struct secure_region **link = &regions;
  while (*link != region) link = &(*link)->next;
  *link = region->next;
  stats.bytes -= region->size;
  munmap(region->start - page, region->size + 2 * page);
  free(region);
}

static struct secure_region *region_with_room(size_t length, int *error) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++) {
    if (length > classes[i]) continue;
    size_t slot_size = classes[i] + 2 * CANARY;
    for (struct secure_region *region = regions; region != NULL; region = region->next) {
      if (region->slot_size == slot_size && region->used < region->slots) return region;
    }
    return map_region(page, slot_size, error);
  }
  size_t size = round_up(length + CANARY, page);
  return map_region(size, size, error);
}

static bool is_shared(const struct secure_region *region) {
  return region->slots > 1;
}

static unsigned char *slot_start(const struct secure_block *block) {
  return block->region->start + block->slot * block->region->slot_size;
}

/* As far right as the alignment allows: what runs over hits a canary, or the guard page. */
static unsigned char *data_of(const struct secure_block *block) {
  size_t after = is_shared(block->region) ? CANARY : 0;
  unsigned char *end = slot_start(block) + block->region->slot_size;
  return end - after - round_up(block->length, CANARY);
}

/* All of the slot that is not data is canary. */
static bool canaries_intact(const struct secure_block *block) {
  const unsigned char *slot = slot_start(block);
  size_t before = (size_t)(block->data - slot);
  unsigned char damage = 0;
  for (size_t i = 0; i < block->region->slot_size; i++) {
    if (i < before || i >= before + block->length) damage |= slot[i] ^ canary[i % CANARY];
  }
  return damage == 0;
}

static void draw_canary(void) {
  static bool drawn;
  if (drawn) return;
  if (getrandom(canary, CANARY, 0) != (ssize_t)CANARY) abort();
  drawn = true;
}

struct secure_block *secure_alloc(size_t length, int *error) {
  *error = EINVAL;
  if (length == 0 || length > SECURE_MAX) return NULL;
  *error = ENOMEM;
  struct secure_block *block = malloc(sizeof *block);
  if (block == NULL) return NULL;
  pthread_mutex_lock(&mutex);
  draw_canary();
  struct secure_region *region = region_with_room(length, error);
  if (region != NULL) {
    size_t slot = 0;
    while (region->busy[slot]) slot++;
    region->busy[slot] = true;
    region->used++;
    stats.allocations++;
    *block = (struct secure_block){NULL, length, region, slot};
    unsigned char *start = slot_start(block);
    for (size_t i = 0; i < region->slot_size; i++) start[i] = canary[i % CANARY];
    block->data = data_of(block);
    memset(block->data, 0, length);
  }
  pthread_mutex_unlock(&mutex);
  if (region != NULL) return block;
  free(block);
  return NULL;
}

static void refuse_to_go_on(const char *message) {
  ssize_t ignored = write(STDERR_FILENO, message, strlen(message));
  (void)ignored;
  abort();
}

void secure_release(struct secure_block *block) {
  pthread_mutex_lock(&mutex);
  if (block->data != NULL) {
    struct secure_region *region = block->region;
    if (!is_shared(region)) mprotect(region->start, region->size, PROT_READ | PROT_WRITE);
    bool intact = canaries_intact(block);
    explicit_bzero(slot_start(block), region->slot_size);
    if (!intact) refuse_to_go_on("sesame: secure memory was written outside its bounds\n");
    block->data = NULL;
    region->busy[block->slot] = false;
    stats.allocations--;
    if (--region->used == 0) unmap_region(region);
  }
  pthread_mutex_unlock(&mutex);
}

void secure_destroy(struct secure_block *block) {
  secure_release(block);
  free(block);
}

int secure_protect(struct secure_block *block, enum secure_access access) {
  static const int protections[] = {PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE};
  if (block->data == NULL || is_shared(block->region)) return EINVAL;
  struct secure_region *region = block->region;
  return mprotect(region->start, region->size, protections[access]) == 0 ? 0 : errno;
}

struct secure_stats secure_statistics(void) {
  pthread_mutex_lock(&mutex);
  struct secure_stats copy = stats;
  pthread_mutex_unlock(&mutex);
  return copy;
}

/*
 * Runs in exit(3) and when the addon is unloaded. The kernel zeroes pages before it lends them
 * to others; this is for what still looks at this process meanwhile. Nothing is unmapped: other
 * threads may still run.
 */
__attribute__((destructor)) static void wipe_all(void) {
  for (struct secure_region *region = regions; region != NULL; region = region->next) {
    mprotect(region->start, region->size, PROT_READ | PROT_WRITE);
    explicit_bzero(region->start, region->size);
  }
}
