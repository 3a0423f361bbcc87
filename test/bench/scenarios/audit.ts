import { createReadStream, readdirSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import {
  openAuditLog,
  verifyAudit,
  type AuditEvent,
  type AuditLog,
  type VerifyOptions,
} from "@sesame/core-audit";
import { sodiumSuite as suite } from "@sesame/core-crypto/sodium";
import { rateOf } from "../samples.ts";
import { interleave, type Bench } from "../scenario.ts";
import { singleSyncRate } from "./durable.ts";

const APPENDS = 20_000;
const AT_ONCE = 256;
const SYNCS = 400;
const ENTRIES = 300_000;
const BATCH = 1_000;

const SEED = suite.randomBytes(32);
const OWNER = {
  installationId: suite.randomBytes(16),
  publicKey: suite.ed25519PublicKey(SEED),
  suite,
  anchors: [],
} satisfies VerifyOptions;

const EVENT: AuditEvent = {
  actor: {
    name: "operator",
    identity: "0192f0c1-a2b3-7c4d-8e5f-60718293a4b5",
    session: "00112233445566778899aabbccddeeff",
    pid: 4_711,
    uid: 1_000,
    exe: "/usr/bin/node",
    unit: "app.slice",
    by: "daemon-secrets",
  },
  profile: "work",
  action: "secret.get",
  object: "aws/access-key",
  outcome: "ok",
};

/** Entries per second, each acknowledged once it is on disk. */
export async function auditAppend(bench: Bench) {
  const dir = bench.directory();
  const log = await openLog(join(dir, "log"));
  const rates = await interleave(bench.rounds, {
    log: () => rateOf(bench.count(APPENDS), AT_ONCE, () => log.append(EVENT)),
    single: () => singleSyncRate(dir, bench.count(SYNCS)),
  });
  await log.close();
  return {
    "256 at once": {
      ours: rates.log,
      beside: { name: "write+fdatasync", values: rates.single },
    },
  };
}

/** Entries per second of a whole log, beside reading and parsing its lines. */
export async function auditVerify(bench: Bench) {
  const dir = join(bench.directory(), "log");
  const log = await openLog(dir);
  const count = bench.count(ENTRIES);
  for (let written = 0; written < count; written += BATCH)
    await Promise.all(Array.from({ length: BATCH }, () => log.append(EVENT)));
  await log.close();
  const rates = await interleave(bench.rounds, {
    verify: () => entryRate(() => verified(dir)),
    parse: () => entryRate(() => parsed(dir)),
  });
  return {
    "whole log": { ours: rates.verify, beside: { name: "JSON.parse", values: rates.parse } },
  };
}

function openLog(dir: string): Promise<AuditLog> {
  const sign = (message: Uint8Array): Uint8Array => suite.ed25519Sign(SEED, message);
  return openAuditLog({ dir, ...OWNER, sign, clock: { wallMs: Date.now } });
}

async function entryRate(read: () => Promise<number>): Promise<number> {
  const start = performance.now();
  const entries = await read();
  return (entries / (performance.now() - start)) * 1_000;
}

async function verified(dir: string): Promise<number> {
  const { ok, entries, firstBad } = await verifyAudit(dir, OWNER);
  if (!ok) throw new RangeError(`entry ${firstBad?.sequence ?? 0}: ${firstBad?.reason ?? ""}`);
  return entries;
}

async function parsed(dir: string): Promise<number> {
  let entries = 0;
  for (const name of readdirSync(dir).filter((file) => file.endsWith(".jsonl")))
    for await (const line of createInterface({ input: createReadStream(join(dir, name)) })) {
      JSON.parse(line);
      entries++;
    }
  return entries;
}
