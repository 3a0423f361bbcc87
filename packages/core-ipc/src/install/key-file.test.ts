import assert from "node:assert/strict";
import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import { createKeyFile, loadKeyFile, setAsideIfDamaged } from "./key-file.ts";

function place(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), "sesame-keys-"));
  t.after(() => rmSync(directory, { recursive: true }));
  return join(directory, "operator.key");
}

const hex = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString("hex");

test("[INSTALL-2] keys come back as they were made, and fit each other", (t) => {
  const path = place(t);
  assert.equal(loadKeyFile(suite, path), null);
  const made = createKeyFile(suite, path);
  const loaded = loadKeyFile(suite, path);
  assert.equal(hex(loaded?.noise.secretKey), hex(made?.noise.secretKey));
  assert.equal(hex(loaded?.sealing.secretKey), hex(made?.sealing.secretKey));
  assert.equal(hex(loaded?.signingSeed), hex(made?.signingSeed));
  assert.equal(
    hex(loaded?.noise.publicKey),
    hex(suite.x25519PublicKey(made?.noise.secretKey ?? new Uint8Array())),
  );
  assert.equal(new Set([made?.noise, made?.sealing].map((pair) => hex(pair?.secretKey))).size, 2);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.deepEqual(readdirSync(join(path, "..")), ["operator.key"]);
});

test("[INSTALL-2] [KEYS-1] a key file that others may read is refused", (t) => {
  // SECURITY: whoever reads an identity's keys is that identity.
  const path = place(t);
  createKeyFile(suite, path);
  for (const mode of [0o644, 0o640, 0o620, 0o601]) {
    chmodSync(path, mode);
    assert.throws(() => loadKeyFile(suite, path), { name: "Fault", exit: "config" });
  }
  chmodSync(path, 0o400);
  assert.notEqual(loadKeyFile(suite, path), null);
});

test("[KEYS-1] a link in its place is refused by name", (t) => {
  const path = place(t);
  createKeyFile(suite, path);
  renameSync(path, `${path}.there`);
  symlinkSync(`${path}.there`, path);
  assert.throws(() => loadKeyFile(suite, path), { message: `${path} is a symbolic link` });
});

test("[KEYS-1] so is one in a directory that others may enter, or one of somebody else", (t) => {
  // SECURITY: whoever may write the directory puts keys of its own in their place.
  const path = place(t);
  const directory = join(path, "..");
  createKeyFile(suite, path);
  for (const mode of [0o755, 0o710, 0o702]) {
    chmodSync(directory, mode);
    assert.throws(() => loadKeyFile(suite, path), {
      exit: "config",
      hint: `chmod 700 ${directory}`,
    });
  }
  chmodSync(directory, 0o700);
  t.mock.method(process as { getuid: () => number }, "getuid", () => statSync(path).uid + 1);
  assert.throws(() => loadKeyFile(suite, path), { exit: "config", hint: /^chown [0-9]+ / });
});

test("[INSTALL-2] a link in the place of a key file is refused", (t) => {
  const path = place(t);
  createKeyFile(suite, path);
  symlinkSync(path, `${path}.link`);
  assert.throws(() => loadKeyFile(suite, `${path}.link`), { name: "Fault", exit: "config" });
});

test("[INSTALL-2] a damaged key file is refused at every byte", (t) => {
  // SECURITY: a changed secret key is another identity, or a weak one.
  const path = place(t);
  createKeyFile(suite, path);
  const good = readFileSync(path);
  const refused = { name: "Fault", exit: "integrity" };
  for (let at = 0; at < good.length; at++) {
    const damaged = Buffer.from(good);
    damaged[at] = (damaged[at] ?? 0) ^ 1;
    writeFileSync(path, damaged);
    assert.throws(() => loadKeyFile(suite, path), refused, `byte ${at}`);
  }
  for (const length of [0, 1, good.length - 1]) {
    writeFileSync(path, good.subarray(0, length));
    assert.throws(() => loadKeyFile(suite, path), refused);
  }
  for (const more of [1, 5_000]) {
    writeFileSync(path, Buffer.concat([good, Buffer.alloc(more)]));
    assert.throws(() => loadKeyFile(suite, path), refused);
  }
});

test("[INSTALL-3] a key file is never overwritten", (t) => {
  // SECURITY: keys that are lost lock their owner out for good.
  const path = place(t);
  createKeyFile(suite, path);
  const before = readFileSync(path);
  assert.equal(createKeyFile(suite, path), null);
  assert.deepEqual(readFileSync(path), before);
  writeFileSync(path, "something else");
  assert.equal(createKeyFile(suite, path), null);
  assert.equal(readFileSync(path, "utf8"), "something else");
});

test("[KEYS-14] a damaged file is moved aside whole, an intact one stays", (t) => {
  const path = place(t);
  assert.equal(setAsideIfDamaged(suite, path), null);
  createKeyFile(suite, path);
  const intact = readFileSync(path);
  assert.equal(setAsideIfDamaged(suite, path), null);
  assert.deepEqual(readFileSync(path), intact);
  for (const content of ["", "no key", Buffer.alloc(5_000)]) {
    writeFileSync(path, content, { mode: 0o600 });
    const aside = setAsideIfDamaged(suite, path) ?? "";
    assert.deepEqual(readFileSync(aside), Buffer.from(content as string));
    assert.equal(statSync(path, { throwIfNoEntry: false }), undefined);
    rmSync(aside);
  }
});
