import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { closeSync, ftruncateSync, readdirSync, readFileSync, writeSync } from "node:fs";
import { test, type TestContext } from "node:test";
import { allocSecure, freeSecure, sealedMemfd } from "./index.ts";

function sealed(t: TestContext, bytes: Uint8Array): number {
  const fd = sealedMemfd(bytes);
  t.after(() => closeSync(fd));
  return fd;
}

test("a child reads the bytes from the descriptor that it was given", (t) => {
  const bytes = Buffer.from([0, 1, 2, 255, 10]);
  const fd = sealed(t, bytes);
  const options = { stdio: ["ignore", "pipe", "inherit", fd] as ("pipe" | number)[] };
  assert.deepEqual(execFileSync("/bin/sh", ["-c", "cat <&3"], options), bytes);
});

test("a program started by execve has the descriptor, too", () => {
  const url = JSON.stringify(new URL("./index.ts", import.meta.url).href);
  const script = `
    import { sealedMemfd } from ${url};
    const fd = sealedMemfd(Buffer.from("handed over"));
    process.execve("/bin/sh", ["sh", "-c", "cat /proc/self/fd/" + fd], process.env);`;
  const args = ["--input-type=module", "-e", script];
  assert.equal(execFileSync(process.execPath, args, { encoding: "utf8" }), "handed over");
});

test("nobody changes the bytes afterwards", (t) => {
  // SECURITY: whoever shares the descriptor could swap the secret that a program is given.
  const fd = sealed(t, Buffer.from("secret"));
  assert.throws(() => writeSync(fd, "x", 0), { code: "EPERM" });
  assert.throws(() => ftruncateSync(fd, 0), { code: "EPERM" });
  assert.throws(() => ftruncateSync(fd, 100), { code: "EPERM" });
  assert.equal(readFileSync(`/proc/self/fd/${fd}`, "utf8"), "secret");
});

test("secure memory, empty and large ones are taken; anything else is not", (t) => {
  const secret = allocSecure(32).fill(7);
  assert.deepEqual(readFileSync(sealed(t, secret)), Buffer.alloc(32, 7));
  freeSecure(secret);
  assert.equal(readFileSync(sealed(t, new Uint8Array(0))).length, 0);
  assert.equal(readFileSync(sealed(t, new Uint8Array(3 << 20))).length, 3 << 20);
  const before = readdirSync("/proc/self/fd").length;
  for (const value of [
    "text",
    1,
    null,
    undefined,
    {},
    [1],
    new Uint16Array(2),
    new DataView(new ArrayBuffer(1)),
  ]) {
    assert.throws(() => sealedMemfd(value as Uint8Array), { code: "ERR_INVALID_ARG_VALUE" });
  }
  assert.equal(readdirSync("/proc/self/fd").length, before);
});
