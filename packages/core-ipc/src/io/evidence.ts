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
  /** SHA-256 of the program's content, 32 bytes, or null where it is not known. */
  readonly sha256: Uint8Array | null;
  /** systemd unit, as the path. */
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
      sha256: null,
      unit: certain ? unitIn(cgroup ?? "") : null,
    };
  } catch {
    // ESRCH: the peer is gone already. Its socket will say so too.
    return { ...credentials, certain: false, executable: null, sha256: null, unit: null };
  } finally {
    pidfd?.close();
  }
}

/** The process that connected and its parents, as /proc shows them to the bus host itself. */
export function introduce(peer: Peer): PeerEvidence {
  const { uid, executable } = peer;
  const [first, ...parents] = ancestry(peer.pid);
  const processes =
    first === undefined ? [] : [{ ...first, executable: shortPath(executable) }, ...parents];
  return { uid, unit: unitOf(peer), processes, sha256: null };
}

/** The unit of a peer for the wire: one that does not fit is as good as none. */
export function unitOf({ unit }: Peer): string | null {
  return unit !== null && utf8Length(unit) <= 256 ? unit : null;
}

/**
 * A process and its parents, as /proc shows them now; empty if there is no such process. Of the
 * first one the program is left out.
 *
 * @param proc - where proc(5) is
 */
export function ancestry(pid: number, proc = "/proc"): PeerEvidence["processes"] {
  const processes: PeerEvidence["processes"] = [];
  let next = pid;
  while (next > 0 && processes.length <= limits.MAX_PARENTS) {
    // pid (title) state parent …; the title may hold anything. proc_pid_stat(5)
    const stat = attempt(() => readFileSync(`${proc}/${next}/stat`, "utf8")) ?? "";
    const [, title, parent] = /^\d+ \((.*)\) \S (\d+) /s.exec(stat) ?? [];
    if (title === undefined) break;
    const path = next === pid ? null : attempt(() => readlinkSync(`${proc}/${next}/exe`));
    processes.push({ pid: next, title: title.toWellFormed(), executable: shortPath(path) });
    next = Number(parent);
  }
  return processes;
}

function shortPath(path: string | null): string | null {
  return path !== null && utf8Length(path) <= limits.MAX_TEXT_BYTES ? path : null;
}

/** The innermost unit that control groups name, a line for each hierarchy. cgroups(7) */
export function unitIn(cgroup: string): string | null {
  return [...cgroup.matchAll(UNIT)].at(-1)?.[1] ?? null;
}

/**
 * True if the process that connected is alive now: whatever was read under its pid before was read
 * of it, since a pid is given to nobody else while its process lives.
 */
export function isAlive(fd: number): boolean {
  let pidfd: Pidfd | null = null;
  try {
    pidfd = peerPidfd(fd);
    return pidfd?.alive() === true;
  } catch {
    return false;
  } finally {
    pidfd?.close();
  }
}

/** What a process may not look at is simply not known. */
function attempt(read: () => string): string | null {
  try {
    return read();
  } catch {
    return null;
  }
}
