/* Which files a process may use (landlock(7)); knows nothing of Node. */
#ifndef SESAME_LANDLOCK_H
#define SESAME_LANDLOCK_H

#include <stdbool.h>

struct landlock_rule {
  char access;      /* see landlock.c */
  bool optional;    /* skipped where the path is missing */
  const char *path; /* absolute; points into the parsed text */
};

/* Version of the kernel's Landlock; 0 for none. */
int landlock_abi(void);

/* "<access><!|?><absolute path>", such as "r?/etc/localtime"; false for anything else. */
bool landlock_parse(const char *text, struct landlock_rule *rule);

/*
 * A ruleset that denies all that the kernel can deny, except what the rules allow. Answers its
 * descriptor, or -1 with errno; `failed` is then the rule at fault, or -1.
 */
int landlock_ruleset(const struct landlock_rule *rules, int count, int *failed);

/* Binds this thread, and all that it starts or becomes; needs no_new_privs. 0 or -1. */
int landlock_restrict(int ruleset);

#endif
