import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { nodeSuite } from "@sesame/core-crypto/node";
import type { Suite } from "@sesame/core-crypto";
import type { Checkpoint } from "@sesame/core-types";
import type { AuditEntry, AuditEvent } from "../entry.ts";
import { openAuditLog, type AuditLog, type AuditLogOptions } from "../log.ts";
import { verifyAudit, type AuditReport } from "../verify.ts";

// What the tests of this package share: one owner, a clock that is set by hand, and logs in
// directories of their own.

/** RFC 8032 §7.1, test 1. */
export const SEED = Buffer.from(
  "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
  "hex",
);

export const OWNER: Pick<AuditLogOptions, "installationId" | "publicKey" | "sign"> & {
  readonly suite: Suite;
} = {
  installationId: Buffer.from("0192f0c1a2b37c4d8e5f60718293a4b5", "hex"),
  publicKey: nodeSuite.ed25519PublicKey(SEED),
  sign: (message: Uint8Array) => nodeSuite.ed25519Sign(SEED, message),
  suite: nodeSuite,
};

/** Somebody else's key. */
export const STRANGER = new Uint8Array(32).fill(7);

export const START_MS = 1_763_000_000_000;

/** A clock that moves on by a millisecond whenever it is read. */
export function handClock(): { wallMs: () => number; set: (ms: number) => void } {
  let now = START_MS;
  return { wallMs: () => now++, set: (ms) => (now = ms) };
}

export async function makeDirectory(t: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "sesame-audit-"));
  t.after(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

export type Settings = Partial<Omit<AuditLogOptions, "dir">>;

/** Timers never fire unless a test gives its own. */
export function open(dir: string, settings: Settings = {}): Promise<AuditLog> {
  return openAuditLog({
    dir,
    ...OWNER,
    clock: handClock(),
    schedule: () => () => undefined,
    ...settings,
  });
}

export function verify(dir: string, anchors: readonly Checkpoint[] = []): Promise<AuditReport> {
  return verifyAudit(dir, { ...OWNER, anchors });
}

export const EVENT: AuditEvent = {
  actor: {
    name: "operator",
    identity: "0192f0c1-a2b3-7c4d-8e5f-60718293a4b5",
    session: "00112233445566778899aabbccddeeff",
    pid: 4711,
    uid: 1000,
    exe: "/usr/bin/node",
    unit: "app.slice",
    by: "daemon-secrets",
  },
  profile: "work",
  action: "secret.get",
  object: "aws/access-key",
  outcome: "ok",
};

/** Appends events that differ in their object. */
export function appendMany(log: AuditLog, count: number): Promise<number[]> {
  return Promise.all(
    Array.from({ length: count }, (_, i) => log.append({ ...EVENT, object: `object-${i}` })),
  );
}

/** All entries that a tail shows. */
export async function collect(entries: AsyncIterable<AuditEntry>): Promise<readonly AuditEntry[]> {
  const all: AuditEntry[] = [];
  for await (const entry of entries) all.push(entry);
  return all;
}
