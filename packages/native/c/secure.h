/*
 * Locked memory for secrets: this file and secure.c know nothing of Node.
 *
 * An allocation up to 1024 bytes is a slot of a page that it shares with its like; a larger one
 * has pages of its own. Every run of pages lies between two guard pages, every allocation between
 * two canaries. All functions may be called from any thread.
 */
#ifndef SESAME_SECURE_H
#define SESAME_SECURE_H

#include <stdbool.h>
#include <stddef.h>

#define SECURE_MAX ((size_t)1 << 30)

enum secure_kind {
  SECURE_UNKNOWN, /* nothing was asked for yet */
  SECURE_MLOCK,   /* not swapped, not in core dumps; root and a debugger can read it */
  SECURE_MEMFD,   /* memfd_secret(2): gone from the kernel's own map, too */
};

enum secure_access { SECURE_NO_ACCESS, SECURE_READ_ONLY, SECURE_READ_WRITE };

struct secure_block {
  unsigned char *data; /* zeroed, aligned to 16; NULL once released */
  size_t length;
  struct secure_region *region;
  size_t slot;
};

struct secure_stats {
  enum secure_kind kind;
  size_t bytes; /* locked, whole pages */
  size_t allocations;
};

/* NULL with an errno in `error`; EAGAIN, ENOMEM and EPERM mean that no memory can be locked. */
struct secure_block *secure_alloc(size_t length, int *error);

/* Wipes and gives the memory back; aborts the process if a canary is damaged. May be repeated. */
void secure_release(struct secure_block *block);

/* Releases, and frees the block itself. */
void secure_destroy(struct secure_block *block);

/* 0 or an errno: EINVAL for an allocation that shares its page. */
int secure_protect(struct secure_block *block, enum secure_access access);

struct secure_stats secure_statistics(void);

#endif
