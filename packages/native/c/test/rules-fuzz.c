/*
 * Parsers of what JavaScript hands over: lists of strings, and Landlock rules. An entry for
 * libFuzzer; without it, main() feeds random blocks made of the bytes that mean something.
 */
#include "../landlock.h"
#include "../strings.h"

#include <stdint.h>
#include <string.h>

#include "check.h"

#define MAX 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  /* A block of exactly this size, so that reading past its end is seen. */
  unsigned char *block = malloc(size == 0 ? 1 : size);
  CHECK(block != NULL);
  memcpy(block, data, size);
  const char *strings[MAX + 1];
  int count = strings_split(block, size, strings, MAX);
  CHECK(count >= -1 && count <= MAX);
  size_t total = 0;
  for (int i = 0; i < count; i++) {
    total += strlen(strings[i]) + 1;
    struct landlock_rule rule;
    if (!landlock_parse(strings[i], &rule)) continue;
    CHECK(strchr("rxwc", rule.access) != NULL);
    CHECK(rule.path[0] == '/' && rule.path == strings[i] + 2);
    CHECK(rule.optional == (strings[i][1] == '?'));
  }
  if (count >= 0) CHECK(total == size && strings[count] == NULL);
  free(block);
  return 0;
}

#ifndef FUZZ
int main(void) {
  static const char bytes[] = {'r', 'x', 'w', 'c', '!', '?', '/', 'a', 0, 0};
  unsigned char block[40];
  srandom(1);
  for (int round = 0; round < 300000; round++) {
    size_t size = (size_t)random() % (sizeof block + 1);
    for (size_t i = 0; i < size; i++) {
      long any = random();
      block[i] = (unsigned char)(any % 20 == 0 ? any >> 8 : bytes[any % (long)sizeof bytes]);
    }
    LLVMFuzzerTestOneInput(block, size);
  }
  puts("rules: ok");
  return 0;
}
#endif
