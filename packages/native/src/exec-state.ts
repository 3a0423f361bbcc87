import { readFileSync } from "node:fs";
import { addon } from "./load.ts";

/** RLIMIT_NOFILE in open files; `Infinity` for no limit. */
export interface Nofile {
  readonly soft: number;
  readonly hard: number;
}

/**
 * Default action for every standard signal, and none blocked: the state in which a program
 * expects to start. Node ignores SIGPIPE and SIGXFSZ, and process.execve() hands that on. Only
 * right before process.execve(): this process no longer handles its own signals afterwards.
 */
export function resetSignals(): void {
  addon().resetSignals();
}

/** This process' limit of open files. Node raised the soft one to the hard one at its start. */
export function nofile(): Nofile {
  return addon().nofile();
}

/**
 * Sets the soft limit of open files; the hard one stays.
 *
 * @throws `EINVAL` above the hard limit, `ERR_INVALID_ARG_VALUE`.
 */
export function setNofile(soft: number): void {
  addon().setNofile(soft);
}

/**
 * Lowers the soft limit of open files to that of the parent process: the best guess at what this
 * process started with, since Node has overwritten its own. Never raises it; leaves it alone
 * where /proc does not tell. Only right before process.execve().
 */
export function restoreNofile(): void {
  const inherited = softNofileOf(process.ppid);
  if (inherited !== null && inherited < nofile().soft) setNofile(inherited);
}

/** Soft limit of a process; null where it has none or cannot be read. */
function softNofileOf(pid: number): number | null {
  let limits: string;
  try {
    limits = readFileSync(`/proc/${pid}/limits`, "latin1");
  } catch {
    return null;
  }
  const soft = /^Max open files +(\d+) /m.exec(limits)?.[1];
  return soft === undefined ? null : Number(soft);
}
