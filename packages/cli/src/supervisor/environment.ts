// What daemons see of the environment of the shell that happened to start them: this table only.

const KEPT = [
  // where files are
  "HOME",
  "XDG_CONFIG_HOME",
  "XDG_DATA_HOME",
  "XDG_STATE_HOME",
  "XDG_CACHE_HOME",
  "XDG_RUNTIME_DIR",
  // who it is
  "USER",
  "LOGNAME",
  // programs that the operator's configuration names
  "PATH",
  // language and time of messages
  "LANG",
  "LANGUAGE",
  "LC_ALL",
  "LC_CTYPE",
  "LC_MESSAGES",
  "LC_TIME",
  "TZ",
  // how strictly the daemons' system calls are watched (core-ipc/src/io/run-daemon.ts)
  "SESAME_SYSCALLS",
] as const;

/** Names the descriptor on which a child tells that it is ready (./readiness.ts). */
export const READY_FD = "SESAME_READY_FD";
/** Names the descriptor whose end of file tells a daemon that its supervisor is gone. */
export const PARENT_FD = "SESAME_PARENT_FD";

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The environment for processes that outlive this one. Options for Node and the dynamic linker
 * would load code into the daemons; other people's secrets have no business there.
 */
export function daemonEnvironment(environment: Environment): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const name of KEPT) {
    const value = environment[name];
    if (value !== undefined) kept[name] = value;
  }
  return kept;
}
