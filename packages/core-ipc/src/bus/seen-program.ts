import type { PointOfUse } from "@sesame/core-authority";
import { equalBytes } from "@sesame/core-crypto";
import type { PeerEvidence, Processes } from "@sesame/core-types";

/** The program of a process, as far as it could be found out. */
export type Program = {
  /** Absolute path. */
  readonly executable: string | null;
  /** Of its content, 32 bytes. */
  readonly sha256: Uint8Array | null;
};

const UNKNOWN: Program = { executable: null, sha256: null };

/**
 * Which program a connection's process was found to run. A process keeps its pid when it executes
 * another program; one that was seen to do so has no digest any more. docs/LAUNCHER.md, Evidence.
 */
export class SeenProgram {
  #first: PointOfUse | null = null;
  #last = UNKNOWN;
  #changed = false;

  /** What was found last. */
  get last(): Program {
    return this.#last;
  }

  /** Takes what was found now; returns what is to be believed of it. */
  note({ processes: [first], sha256 }: Processes): Program {
    const found = { executable: first?.executable ?? null, sha256: sha256?.slice() ?? null };
    const now = pointOfUse(found);
    this.#changed ||= this.#first !== null && now !== null && !isSame(this.#first, now);
    this.#first ??= now;
    this.#last = this.#changed ? { ...found, sha256: null } : found;
    return this.#last;
  }
}

/** The program of the process that connected, for a grant that demands one; null: not known. */
export function programOf(peer: PeerEvidence | null): PointOfUse | null {
  const executable = peer?.processes[0]?.executable ?? null;
  return pointOfUse({ executable, sha256: peer?.sha256 ?? null });
}

function pointOfUse({ executable: path, sha256 }: Program): PointOfUse | null {
  return path === null || sha256 === null ? null : { path, sha256: sha256.slice() };
}

function isSame(one: PointOfUse, other: PointOfUse): boolean {
  return one.path === other.path && equalBytes(one.sha256, other.sha256);
}
