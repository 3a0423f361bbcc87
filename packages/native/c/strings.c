/* See strings.h. */
#include "strings.h"

#include <string.h>

int strings_split(const unsigned char *block, size_t length, const char **out, int max) {
  int count = 0;
  for (size_t at = 0; at < length;) {
    const unsigned char *end = memchr(block + at, 0, length - at);
    if (end == NULL || count == max) return -1;
    out[count++] = (const char *)block + at;
    at = (size_t)(end - block) + 1;
  }
  out[count] = NULL;
  return count;
}
