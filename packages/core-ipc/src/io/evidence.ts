import { readFileSync, readlinkSync } from "node:fs";
import { limits, utf8Length, type PeerEvidence } from "@sesame/core-types";
import { peerCredentials, peerPidfd, type Pidfd } from "@sesame/native";
import type { Credentials } from "../wire/hello.ts";

/** Who is at the other end of a socket, as far as the kernel can say. */
export type Peer = Credentials & {
  /** The kernel named a process that lives: its pid cannot stand for another one. */
  readonly certain: boolean;
  /** Path of its program, or null where it could not be read or is not certain. */
  readonly executable: string | null;
  /** systemd unit, likewise. */
  readonly unit: string | null;
};

const UNIT = /\/([^/\n]+\.(?:service|scope))(?=\/|$)/gm;

/**
 * Reads the peer's credentials, and what /proc says of it.
 *
 * What is read under a pid is believed only if the process that connected is still alive
 * afterwards: its pid cannot have gone to another one meanwhile.
 */
export function peerOf(fd: number): Peer {
  const credentials = peerCredentials(fd);
  let pidfd: Pidfd | null = null;
  try {
    pidfd = peerPidfd(fd);
    const executable = attempt(() => readlinkSync(`/proc/${credentials.pid}/exe`));
    const cgroup = attempt(() => readFileSync(`/proc/${credentials.pid}/cgroup`, "utf8"));
    const certain = pidfd !== null && pidfd.alive();
    return {
      ...credentials,
      certain,
      executable: certain ? executable : null,
      unit: certain ? unitIn(cgroup ?? "") : null,
    };
  } catch {
    // ESRCH: the peer is gone already. Its socket will say so too.
    return { ...credentials, certain: false, executable: null, unit: null };
  } finally {
    pidfd?.close();
  }
}

/**
 * The process that connected and its parents, as /proc shows them now. The first program is the one
 * that was there when it connected; whatever else is said may have changed since.
 */
export function introduce(peer: Peer): PeerEvidence {
  const { pid, uid, unit, executable } = peer;
  const processes: PeerEvidence["processes"] = [];
  let next = pid;
  while (next > 0 && processes.length <= limits.MAX_PARENTS) {
    // pid (title) state parent …; the title may hold anything. proc_pid_stat(5)
    const stat = attempt(() => readFileSync(`/proc/${next}/stat`, "utf8")) ?? "";
    const [, title, parent] = /^\d+ \((.*)\) \S (\d+) /s.exec(stat) ?? [];
    if (title === undefined) break;
    const program = next === pid ? executable : attempt(() => readlinkSync(`/proc/${next}/exe`));
    const path = program !== null && utf8Length(program) <= limits.MAX_TEXT_BYTES ? program : null;
    processes.push({ pid: next, title: title.toWellFormed(), executable: path });
    next = Number(parent);
  }
  return { uid, unit: unit !== null && utf8Length(unit) <= 256 ? unit : null, processes };
}

/** The innermost unit that control groups name, a line for each hierarchy. cgroups(7) */
export function unitIn(cgroup: string): string | null {
  return [...cgroup.matchAll(UNIT)].at(-1)?.[1] ?? null;
}

/** What a process may not look at is simply not known. */
function attempt(read: () => string): string | null {
  try {
    return read();
  } catch {
    return null;
  }
}
