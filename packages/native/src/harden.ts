import { readdirSync, readFileSync } from "node:fs";
import { addon } from "./load.ts";

/** Protections of a process, as the calling thread finds them. */
export interface Hardening {
  /** Whether processes of the same user may read its memory and attach to it. */
  readonly dumpable: boolean;
  /** Hard limit of core dumps in bytes; `Infinity` for none. */
  readonly coreLimit: number;
  readonly noNewPrivs: boolean;
  /** Whether a system call filter is in force. */
  readonly seccomp: boolean;
}

/** What the kernel says of one thread (proc_pid_status(5)). */
export interface ThreadState {
  readonly tid: number;
  readonly name: string;
  readonly noNewPrivs: boolean;
  /** Number of system call filters; those of a service manager count, too. */
  readonly filters: number;
}

/**
 * Closes the process to others of the same user: no ptrace, no /proc/PID/mem, no core dumps.
 * execve undoes the first two, so each program does it for itself, before it reads a secret.
 *
 * @param options.noNewPrivs also sets no_new_privs, for this thread and those that it starts.
 */
export function harden(options: { readonly noNewPrivs?: boolean } = {}): void {
  addon().harden();
  if (options.noNewPrivs === true) addon().setNoNewPrivs();
}

export function hardening(): Hardening {
  const { dumpable, coreLimit, noNewPrivs, seccomp } = addon().hardening();
  return {
    dumpable: dumpable !== 0,
    coreLimit,
    noNewPrivs: noNewPrivs === 1,
    seccomp: seccomp > 0,
  };
}

/**
 * The state of every thread: no_new_privs and filters belong to threads, not to processes.
 *
 * @throws errors of node:fs where /proc/self cannot be read.
 */
export function threadStates(): ThreadState[] {
  const states: ThreadState[] = [];
  for (const tid of readdirSync("/proc/self/task")) {
    let status: string;
    try {
      status = readFileSync(`/proc/self/task/${tid}/status`, "latin1");
    } catch (cause) {
      if (isGone(cause)) continue;
      throw cause;
    }
    const field = (name: string) => new RegExp(`^${name}:\\s+(.*)$`, "m").exec(status)?.[1] ?? "";
    states.push({
      tid: Number(tid),
      name: field("Name"),
      noNewPrivs: field("NoNewPrivs") === "1",
      filters: Number(field("Seccomp_filters")),
    });
  }
  return states;
}

/** A thread may end while it is being read. */
function isGone(cause: unknown): boolean {
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
  return code === "ENOENT" || code === "ESRCH";
}
