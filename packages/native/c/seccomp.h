/* Which system calls a process may make (seccomp(2)); knows nothing of Node. */
#ifndef SESAME_SECCOMP_H
#define SESAME_SECCOMP_H

enum seccomp_profile {
  SECCOMP_BUS,   /* accepts connections, makes none */
  SECCOMP_VAULT, /* connects, accepts none */
};

/* What becomes of a call that no list mentions. */
enum seccomp_denial {
  SECCOMP_ERRNO, /* EPERM or ENOSYS, logged by the kernel */
  SECCOMP_KILL,  /* the process ends */
  SECCOMP_TELL,  /* as ERRNO, and its number on stderr: for finding gaps */
};

/* First stage, of the calling thread and the program that it becomes: a list of denials. */
int seccomp_before_exec(void);

/* Second stage, of all threads of the process: a list of permissions. Both: 0, or -1 and errno. */
int seccomp_all_threads(enum seccomp_profile profile, enum seccomp_denial denial);

#endif
