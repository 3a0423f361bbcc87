import assert from "node:assert/strict";
import { test } from "node:test";
import { Denial, limits, type DenialCode, type Enrolment } from "@sesame/core-types";
import { dismiss, enter, ofKey, waiting, type Pending, type WaitingRoom } from "./waiting-room.ts";

const NOW = 1_700_000_000_000;
const key = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);
const nobody = (): boolean => false;

function wish(
  name: string,
  byte: number,
  other: Partial<Enrolment> = {},
): Omit<Pending, "untilMs"> {
  const keys = { noiseKey: key(byte), sealingKey: key(byte), signingKey: key(byte) };
  const evidence = { pid: byte, uid: 1_000, executable: null, unit: null };
  const enrolment = { name, kind: "ai", clearance: "internal", wants: "", ...keys, ...other };
  return { enrolment: enrolment as Enrolment, evidence };
}

const refuses =
  (code: DenialCode) =>
  (cause: unknown): boolean =>
    cause instanceof Denial && cause.code === code;

test("[ENROL-4] the room holds twenty, and who leaves or expires makes place", () => {
  // SECURITY: applicants without end would fill memory and disk.
  let room: WaitingRoom = [];
  for (let i = 0; i < limits.MAX_PENDING; i++) room = enter(room, wish(`n${i}`, i), NOW, nobody);
  assert.throws(() => enter(room, wish("one-more", 99), NOW, nobody), refuses("waiting-room-full"));
  assert.equal(enter(dismiss(room, "n3"), wish("one-more", 99), NOW, nobody).length, 20);
  const later = NOW + limits.ENROLMENT_TTL_MS;
  assert.deepEqual(
    enter(room, wish("one-more", 99), later, nobody).map(({ enrolment }) => enrolment.name),
    ["one-more"],
  );
});

test("[ENROL-4] waiting ends after a day, and when the clock was set back", () => {
  // SECURITY: a request that nobody remembers would be approved by mistake.
  const room = enter([], wish("ci", 1), NOW, nobody);
  assert.equal(waiting(room, NOW + limits.ENROLMENT_TTL_MS - 1).length, 1);
  assert.equal(waiting(room, NOW + limits.ENROLMENT_TTL_MS).length, 0);
  assert.equal(waiting(room, NOW - 1).length, 0);
  assert.deepEqual(ofKey(room, key(1)), room[0]);
  assert.equal(ofKey(room, key(2)), null);
});

test("[ENROL-2] a name is one applicant's, one identity's or the suite's", () => {
  // SECURITY: the operator would take one for the other.
  const room = enter([], wish("ci", 1), NOW, nobody);
  for (const name of ["ci", "CI", "operator", "OPERATOR", "daemon-secrets", "daemon-new"])
    assert.throws(() => enter(room, wish(name, 2), NOW, nobody), refuses("name-taken"), name);
  const taken = ({ name }: Enrolment): boolean => name === "other";
  assert.throws(() => enter(room, wish("other", 2), NOW, taken), refuses("name-taken"));
});

test("[ENROL-3] the same request changes nothing, another one by the same key is refused", () => {
  // SECURITY: what the operator has compared could be exchanged before it is let in.
  const room = enter([], wish("ci", 1), NOW, nobody);
  assert.equal(enter(room, wish("ci", 1), NOW + 5, nobody), room);
  const others = [
    { name: "cd" },
    { kind: "service" },
    { clearance: "secrets-only" },
    { wants: "secret-read" },
    { sealingKey: key(9) },
    { signingKey: key(9) },
  ] as const;
  for (const other of others)
    assert.throws(
      () => enter(room, wish("ci", 1, other), NOW, nobody),
      refuses("key-taken"),
      Object.keys(other)[0],
    );
});

test("who does not wait cannot be sent away", () => {
  assert.throws(() => dismiss([], "ci"), refuses("not-waiting"));
});
