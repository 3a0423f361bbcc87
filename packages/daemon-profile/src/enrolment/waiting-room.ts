import { equalBytes } from "@sesame/core-crypto";
import { Denial, isReservedName, limits, type Enrolment, type Evidence } from "@sesame/core-types";

/** Somebody who waits for the operator. */
export type Pending = {
  readonly enrolment: Enrolment;
  /** Who asked first. */
  readonly evidence: Evidence;
  /** Wall clock, ms: when the waiting ends. */
  readonly untilMs: number;
};

/** Who waits; names and keys occur once. */
export type WaitingRoom = readonly Pending[];

/** Those whose time has not run out. A clock that went back does not prolong it. */
export function waiting(room: WaitingRoom, nowMs: number): WaitingRoom {
  const latest = nowMs + limits.ENROLMENT_TTL_MS;
  return room.filter(({ untilMs }) => untilMs > nowMs && untilMs <= latest);
}

/**
 * Lets somebody in whose keys are proved; who is in already stays as it is.
 *
 * @param isTaken - true if it may not wait under its name because of an identity
 * @throws {Denial} name-taken, key-taken, waiting-room-full
 */
export function enter(
  room: WaitingRoom,
  { enrolment, evidence }: Omit<Pending, "untilMs">,
  nowMs: number,
  isTaken: (wanted: Enrolment) => boolean,
): WaitingRoom {
  const { name, noiseKey } = enrolment;
  const present = waiting(room, nowMs);
  const mine = ofKey(present, noiseKey);
  if (mine !== null) {
    if (sameEnrolment(mine.enrolment, enrolment)) return room;
    throw new Denial("key-taken", mine.enrolment.name);
  }
  if (isReservedName(name) || isTaken(enrolment) || ofName(present, name) !== null)
    throw new Denial("name-taken", name);
  if (present.length >= limits.MAX_PENDING) throw new Denial("waiting-room-full");
  return [...present, { enrolment, evidence, untilMs: nowMs + limits.ENROLMENT_TTL_MS }];
}

/** @throws {Denial} not-waiting */
export function dismiss(room: WaitingRoom, name: string): WaitingRoom {
  if (!room.some(({ enrolment }) => enrolment.name === name)) throw new Denial("not-waiting", name);
  return room.filter(({ enrolment }) => enrolment.name !== name);
}

/** The one who waits with a key. */
export function ofKey(room: WaitingRoom, key: Uint8Array): Pending | null {
  return room.find(({ enrolment }) => equalBytes(enrolment.noiseKey, key)) ?? null;
}

/** Names that differ in case only are one: people would take one for the other. */
function ofName(room: WaitingRoom, name: string): Pending | null {
  const lower = name.toLowerCase();
  return room.find(({ enrolment }) => enrolment.name.toLowerCase() === lower) ?? null;
}

function sameEnrolment(one: Enrolment, other: Enrolment): boolean {
  return (
    one.name === other.name &&
    one.kind === other.kind &&
    one.clearance === other.clearance &&
    one.wants === other.wants &&
    equalBytes(one.sealingKey, other.sealingKey) &&
    equalBytes(one.signingKey, other.signingKey)
  );
}
