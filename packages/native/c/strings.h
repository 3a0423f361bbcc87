#ifndef SESAME_STRINGS_H
#define SESAME_STRINGS_H

#include <stddef.h>

/*
 * Splits a block of NUL-terminated strings into pointers to them, with NULL behind the last;
 * `out` has room for `max` + 1. Answers their number, or -1 where the last one has no end or
 * there are more than `max`.
 */
int strings_split(const unsigned char *block, size_t length, const char **out, int max);

#endif
