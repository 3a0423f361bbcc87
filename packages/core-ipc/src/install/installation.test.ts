import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test, type TestContext } from "node:test";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import { Fault, limits, type Identity } from "@sesame/core-types";
import { identity } from "../testing/pair.ts";
import {
  identityOf,
  loadInstallation,
  saveInstallation,
  type Installation,
} from "./installation.ts";

const ROOT = new Uint8Array(new ArrayBuffer(32)).fill(9);
const RECORD: Installation = {
  id: "00000000-0000-7000-8000-000000000001",
  rootKey: suite.ed25519PublicKey(ROOT),
  serial: 4,
  identities: [
    identity("operator", { kind: "human", clearance: "secrets-only", capabilities: ["admin"] }),
    identity("ci", { kind: "ai", capabilities: ["secret-use", "secret-list"] }),
  ],
  tokens: [],
};

function place(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), "sesame-install-"));
  t.after(() => rmSync(directory, { recursive: true }));
  return join(directory, "installation.toml");
}

const plain = (given: unknown): unknown =>
  JSON.parse(JSON.stringify(given, (_, v) => (v instanceof Uint8Array ? [...v] : v)));

test("[INSTALL-1] the record comes back as it was signed", (t) => {
  const path = place(t);
  assert.equal(loadInstallation(suite, path), null);
  saveInstallation(suite, path, RECORD, ROOT, 9);
  const loaded = loadInstallation(suite, path);
  assert.deepEqual(plain(loaded), plain({ ...RECORD, serial: 9 }));
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.equal(identityOf(loaded ?? RECORD, "ci").kind, "ai");
  assert.throws(() => identityOf(RECORD, "nobody"), { name: "Fault", exit: "config" });
});

test("[INSTALL-1] a record that is too large to be read again is not written", (t) => {
  // SECURITY: many guests of a token would leave the user without an installation.
  const path = place(t);
  const crowd = (count: number): Installation => ({
    ...RECORD,
    identities: Array.from({ length: count }, () => ({ ...guest, wants: "x".repeat(1_024) })),
  });
  const [guest] = RECORD.identities as [Identity];
  saveInstallation(suite, path, crowd(limits.MAX_CERTIFICATES), ROOT, 9);
  assert.equal(loadInstallation(suite, path)?.identities.length, limits.MAX_CERTIFICATES);
  const before = readFileSync(path);
  assert.throws(() => saveInstallation(suite, path, crowd(4 * limits.MAX_CERTIFICATES), ROOT), {
    name: "Fault",
    exit: "data",
  });
  assert.deepEqual(readFileSync(path), before);
});

test("the record can be read by whom its directory lets in", (t) => {
  const path = place(t);
  for (const [directory, file] of [
    [0o700, 0o600],
    [0o2750, 0o640],
    [0o755, 0o640],
  ] as const) {
    chmodSync(dirname(path), directory);
    saveInstallation(suite, path, RECORD, ROOT);
    assert.equal(statSync(path).mode & 0o777, file);
  }
});

test("[INSTALL-1] a record with any byte changed is refused", (t) => {
  // SECURITY: one changed digit of a clearance or a key makes an agent an operator.
  const path = place(t);
  saveInstallation(suite, path, RECORD, ROOT);
  const good = readFileSync(path);
  for (let at = 0; at < good.length; at++) {
    const damaged = Buffer.from(good);
    damaged[at] = (damaged[at] ?? 0) ^ 1;
    writeFileSync(path, damaged);
    assert.throws(
      () => loadInstallation(suite, path),
      { name: "Fault", exit: "integrity" },
      `${at}`,
    );
  }
});

test("[INSTALL-1] a whole record in another form is another release's, and not damaged", (t) => {
  const path = place(t);
  saveInstallation(suite, path, RECORD, ROOT);
  const [, body = ""] = readFileSync(path, "latin1").split(/(?<=^signature = "[0-9a-f]{128}"\n)/);
  const resigned = (text: string): void => {
    const signature = suite.ed25519Sign(ROOT, Buffer.from(`sesame installation v1\n${text}`));
    writeFileSync(path, `signature = "${Buffer.from(signature).toString("hex")}"\n${text}`);
  };
  resigned(body);
  assert.ok(loadInstallation(suite, path) !== null);
  for (const other of [
    body.replace("version = 2", "version = 3"),
    body.replaceAll(/^former = .*\n/gm, ""),
    body.replaceAll(/^(kind = .*\n)/gm, '$1colour = "red"\n'),
  ]) {
    assert.notEqual(other, body);
    resigned(other);
    assert.throws(() => loadInstallation(suite, path), {
      exit: "config",
      message: /another release of sesame wrote it/,
    });
    // SECURITY: a changed record would pass for one to be put up with.
    writeFileSync(path, readFileSync(path, "latin1").replace("root_key", "boot_key"));
    assert.throws(() => loadInstallation(suite, path), { exit: "integrity" });
  }
});

test("[INSTALL-1] a record that is cut, extended or signed by another key is refused", (t) => {
  const path = place(t);
  saveInstallation(suite, path, RECORD, ROOT);
  const good = readFileSync(path);
  const variants = [
    Buffer.alloc(0),
    good.subarray(0, 100),
    good.subarray(0, good.length - 1),
    Buffer.concat([good, Buffer.from("\n")]),
    good.subarray(good.indexOf("\n") + 1),
  ];
  for (const variant of variants) {
    writeFileSync(path, variant);
    assert.throws(() => loadInstallation(suite, path), Fault);
  }
  saveInstallation(suite, path, RECORD, new Uint8Array(new ArrayBuffer(32)).fill(8));
  assert.throws(() => loadInstallation(suite, path), { exit: "integrity" });
});
