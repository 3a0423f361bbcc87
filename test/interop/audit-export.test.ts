import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import {
  EXPORT_TYPE,
  exportAudit,
  openAuditLog,
  type AuditEvent,
  type ExportOptions,
} from "@sesame/core-audit";
import { blake3 } from "@sesame/core-crypto/blake3";
import { signEnvelope } from "@sesame/core-crypto/dsse";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import type { Checkpoint } from "@sesame/core-types";
import { python, withoutModules } from "../helpers/debian-python.ts";
import { published } from "../helpers/vectors.ts";

// docs/verify-export.py, which shares no code with us, on exports of real logs.

const skip = withoutModules("nacl");
const DOCS = fileURLToPath(new URL("../../docs", import.meta.url));

type Key = { readonly publicKey: Uint8Array; readonly sign: (m: Uint8Array) => Uint8Array };
const WRITER = keyOf(1);
const EXPORTER = keyOf(2);
const STRANGER = keyOf(3);
const INSTALLATION = Buffer.from("0192f0c1a2b37c4d8e5f60718293a4b5", "hex");

function keyOf(byte: number): Key {
  const seed = new Uint8Array(32).fill(byte);
  return {
    publicKey: suite.ed25519PublicKey(seed),
    sign: (message) => suite.ed25519Sign(seed, message),
  };
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

const EVENT: AuditEvent = {
  actor: {
    name: "operator",
    identity: null,
    session: null,
    pid: 1,
    uid: 1000,
    exe: null,
    unit: "ünit.slice",
    by: "daemon-secrets",
  },
  profile: "work",
  action: "secret.get",
  object: 'a "quoted", one',
  outcome: "ok",
};

let dir: string;
before(async () => {
  dir = await mkdtemp(join(tmpdir(), "sesame-export-"));
});
after(() => rm(dir, { recursive: true, force: true }));

/** A log with a long entry, which BLAKE3 takes as a tree, and its first checkpoints. */
async function makeLog(algorithm: "blake3" | "sha256"): Promise<Checkpoint[]> {
  const log = await openAuditLog({
    dir: join(dir, algorithm),
    installationId: INSTALLATION,
    algorithm,
    sign: WRITER.sign,
    publicKey: WRITER.publicKey,
    suite,
    clock: { wallMs: () => 1_763_000_000_000 },
    schedule: () => () => undefined,
    limits: { checkpointEntries: 4 },
  });
  const checkpoints: Checkpoint[] = [];
  log.onCheckpoint((checkpoint) => checkpoints.push(checkpoint));
  for (let i = 0; i < 10; i++)
    await log.append({ ...EVENT, object: "o".repeat(i === 5 ? 9_000 : i) });
  await log.close();
  return checkpoints;
}

async function makeExport(
  algorithm: "blake3" | "sha256",
  wanted: Partial<ExportOptions> = {},
): Promise<string> {
  const { payload } = await exportAudit(join(dir, algorithm), {
    suite,
    installationId: INSTALLATION,
    publicKey: WRITER.publicKey,
    anchors: [],
    exporter: "operator",
    nowMs: 1_763_000_000_000,
    ...wanted,
  });
  assert.ok(payload !== null);
  return Buffer.from(payload).toString("utf8");
}

/** What the verifier says of a payload that a key signed. */
async function judge(
  payload: string,
  { signer = EXPORTER, type = EXPORT_TYPE, writer = WRITER, change = (text: string) => text } = {},
): Promise<{ readonly good: boolean; readonly said: string }> {
  const envelope = signEnvelope(type, Buffer.from(payload), [signer]);
  const file = join(dir, "export.json");
  await writeFile(file, change(envelope));
  const program = join(DOCS, "verify-export.py");
  const { exit, out, err } = python([
    "-B",
    program,
    file,
    hex(EXPORTER.publicKey),
    hex(writer.publicKey),
  ]);
  assert.doesNotMatch(out, /NOT GOOD/);
  return { good: exit === 0 && out.startsWith("GOOD: "), said: out + err };
}

describe("a verifier in Python", { skip }, () => {
  let anchor: Checkpoint;
  let whole: string;
  let other: string;

  before(async () => {
    const [, checkpoint] = await makeLog("blake3");
    assert.ok(checkpoint !== undefined);
    anchor = checkpoint;
    await makeLog("sha256");
    const anchors = [{ profile: "work", checkpoint: anchor }];
    whole = await makeExport("blake3", { anchors });
    other = await makeExport("sha256");
  });

  test("[AUDIT-36] accepts exports of both kinds of log, whole and in part", async () => {
    const { good, said } = await judge(whole);
    assert.ok(good, said);
    const last = whole.trimEnd().split("\n").length - 1;
    assert.match(
      said,
      new RegExp(`^GOOD: entries 1 to ${last}, signed in the log up to ${last}$`, "m"),
    );
    assert.ok((await judge(other)).good);
    const part = await judge(await makeExport("blake3", { from: 4, to: 5 }));
    assert.ok(part.good, part.said);
    assert.match(part.said, /^not seen: entries 1 to 3 are not in this file$/m);
  });

  // SECURITY: a check that one of these passes leaves the exporter, or whoever carries the file,
  // free to change what happened.
  const lines = (payload: string): string[] => payload.trimEnd().split("\n");
  const joined = (parts: readonly string[]): string => parts.map((part) => `${part}\n`).join("");
  const changedHead = (payload: string, members: object): string => {
    const [head = "", ...rest] = lines(payload);
    const changed = { ...(JSON.parse(head) as object), ...members };
    return joined([JSON.stringify(changed), ...rest]);
  };
  const rehashed = (line: string): string => {
    const text = line.slice(0, line.lastIndexOf(',"hash":"'));
    const digest = blake3(Buffer.from(`sesame audit entry v1${text}`));
    return `${text},"hash":"${hex(digest)}"}`;
  };
  const rechained = (entries: readonly string[]): string[] => {
    let prev = "0".repeat(64);
    return entries.map((line) => {
      const fresh = rehashed(line.replace(/^\{"prev":"[0-9a-f]{64}"/, `{"prev":"${prev}"`));
      prev = /"hash":"([0-9a-f]{64})"\}$/.exec(fresh)?.[1] ?? "";
      return fresh;
    });
  };
  const edit = (line: string): string => line.replace('"outcome":"ok"', '"outcome":"no"');

  const forgeries: readonly [what: string, forge: () => string, said: RegExp][] = [
    [
      "an entry was changed",
      () => joined(lines(whole).map((line, i) => (i === 5 ? edit(line) : line))),
      /entry 5 was changed/,
    ],
    [
      "an entry was changed with its own hash",
      () => joined(lines(whole).map((line, i) => (i === 5 ? rehashed(edit(line)) : line))),
      /entry 6 does not follow/,
    ],
    [
      "an entry was changed and everything chained anew",
      () => {
        const [head = "", ...entries] = lines(changedHead(whole, { anchors: [] }));
        const changed = entries.map((line, i) => (i === 4 ? edit(line) : line));
        return joined([head, ...rechained(changed)]);
      },
      /entry \d+ is not signed by this key/,
    ],
    ["an entry was removed", () => joined(lines(whole).toSpliced(5, 1)), /entry 5 does not follow/],
    [
      "an entry was repeated",
      () => joined(lines(whole).toSpliced(5, 0, lines(whole)[5] ?? "")),
      /entry 6 does not follow/,
    ],
    [
      "two entries were exchanged",
      () => joined(lines(whole).toSpliced(5, 2, lines(whole)[6] ?? "", lines(whole)[5] ?? "")),
      /entry 5 does not follow/,
    ],
    ["the beginning was cut off", () => joined(lines(whole).toSpliced(1, 2)), /entry 1 does not/],
    [
      "the beginning was cut off, and the head says so",
      () => changedHead(joined(lines(whole).toSpliced(1, 1)), { from: 1, to: 5 }),
      /entry 1 does not follow/,
    ],
    ["the end was cut off", () => joined(lines(whole).slice(0, -1)), /missing at the end/],
    ["half an entry was cut off", () => whole.slice(0, -40), /Error|NOT GOOD/],
    ["all entries were cut off", () => joined(lines(whole).slice(0, 1)), /missing at the end/],
    [
      "the anchor tells of another entry",
      () => {
        const [head = ""] = lines(whole);
        const { anchors } = JSON.parse(head) as { anchors: { hash: string }[] };
        const forged = anchors.map((one) => ({ ...one, hash: "00".repeat(32) }));
        return changedHead(whole, { anchors: forged });
      },
      /anchor \d+ is not signed/,
    ],
    [
      "another installation",
      () => changedHead(whole, { installation: "00".repeat(16) }),
      /entry|inst/,
    ],
    [
      "another log's writer",
      () => changedHead(whole, { writers: [{ from: 1, key: "00".repeat(32) }] }),
      /another log/,
    ],
    ["a later version", () => changedHead(whole, { version: 3 }), /another version/],
    [
      "a member twice",
      () =>
        joined(lines(whole).map((line, i) => (i === 5 ? line.replace("{", '{"seq":5,') : line))),
      /stands there twice/,
    ],
    [
      "bytes after an entry",
      () => joined(lines(whole).map((line, i) => (i === 5 ? `${line} ` : line))),
      /entry 5 was changed/,
    ],
  ];
  for (const [what, forge, expected] of forgeries)
    test(`[AUDIT-36] ${what}, by the exporter itself: refused`, async () => {
      const { good, said } = await judge(forge());
      assert.ok(!good, said);
      assert.match(said, expected);
    });

  test("[AUDIT-36] signed by others, or as something else: refused", async () => {
    const notSigned = /the file is not signed by this key/;
    for (const options of [
      { signer: STRANGER },
      { type: "application/vnd.sesame.policy.v1+json" },
      { change: (text: string) => text.replace(/"payload":"./, '"payload":"f') },
    ]) {
      const { good, said } = await judge(whole, options);
      assert.ok(!good, said);
      assert.match(said, notSigned);
    }
    const { good, said } = await judge(whole, { writer: STRANGER });
    assert.ok(!good);
    assert.match(said, /another log/);
  });

  test("[AUDIT-36] an anchor that contradicts an entry: refused", async () => {
    // The writer signed both: it told the vault something else than it wrote.
    const fake = { ...anchor, hash: new Uint8Array(32).fill(9) };
    const message = Buffer.concat([
      Buffer.from("sesame audit checkpoint v1"),
      INSTALLATION,
      u64(fake.sequence),
      fake.hash,
      u64(fake.timeMs),
    ]);
    const told = {
      profile: "work",
      sequence: fake.sequence,
      hash: hex(fake.hash),
      time: fake.timeMs,
      signature: hex(WRITER.sign(message)),
    };
    const { good, said } = await judge(changedHead(whole, { anchors: [told] }));
    assert.ok(!good);
    assert.match(said, /anchor \d+ differs/);
  });

  test("its BLAKE3 gives the published hashes", () => {
    type Vectors = {
      readonly cases: readonly { readonly input_len: number; readonly hash: string }[];
    };
    const { cases } = published<Vectors>("blake3.json", { cases: [] });
    const program = `
import json, sys
sys.path.insert(0, ${JSON.stringify(DOCS)})
import blake3_plain
for size in json.load(sys.stdin):
    print(blake3_plain.hexdigest(bytes(i % 251 for i in range(size))))`;
    const sizes = cases.map((one) => one.input_len);
    const { out, err } = python(["-B", "-c", program], JSON.stringify(sizes));
    const hashes = out.split("\n").filter((line) => line !== "");
    assert.deepEqual(
      hashes,
      cases.map((one) => one.hash.slice(0, 64)),
      err,
    );
  });
});

function u64(n: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(n));
  return bytes;
}
