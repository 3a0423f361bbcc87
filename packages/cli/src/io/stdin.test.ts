import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { Fault } from "@sesame/core-types";
import fc from "fast-check";
import { firstLine, readAll, readLine, stripOneNewline } from "./stdin.ts";

function withInput<T>(content: string | Uint8Array, use: (descriptor: number) => T): T {
  const directory = mkdtempSync(join(tmpdir(), "sesame-stdin-"));
  writeFileSync(join(directory, "input"), content);
  const descriptor = openSync(join(directory, "input"), "r");
  try {
    return use(descriptor);
  } finally {
    closeSync(descriptor);
    rmSync(directory, { recursive: true });
  }
}

function textOf(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : Buffer.from(bytes).toString();
}

test("everything is read up to the bound, and nothing beyond it", () => {
  for (const size of [0, 1, 65_535, 65_536, 65_537, 200_000]) {
    const content = Buffer.alloc(size, "ab\0");
    for (const bound of [size, size + 1, 1_000_000]) {
      const bytes = withInput(content, (descriptor) => readAll(bound, descriptor));
      assert.ok(content.equals(bytes));
    }
    if (size === 0) continue;
    withInput(content, (descriptor) => {
      assert.throws(
        () => readAll(size - 1, descriptor),
        (error) => {
          return error instanceof Fault && error.exit === "data";
        },
      );
    });
  }
});

test("lines are read one by one, each call leaving the rest", () => {
  withInput("one\r\n\ntwo\rx\nlast", (descriptor) => {
    assert.equal(textOf(readLine(100, descriptor)), "one");
    assert.equal(textOf(readLine(100, descriptor)), "");
    assert.equal(textOf(readLine(100, descriptor)), "two\rx");
    assert.equal(textOf(readLine(100, descriptor)), "last");
    assert.equal(readLine(100, descriptor), null);
  });
});

test("a line may be as long as the bound, with either line end", () => {
  for (const end of ["", "\n", "\r\n"]) {
    assert.equal(textOf(withInput(`abcd${end}`, (descriptor) => readLine(4, descriptor))), "abcd");
    assert.throws(() => withInput(`abcde${end}`, (descriptor) => readLine(4, descriptor)), Fault);
  }
  assert.throws(() => withInput("x".repeat(1000), (descriptor) => readLine(4, descriptor)), Fault);
});

test("one newline is removed, and only at the end", () => {
  for (const [input, expected] of [
    ["a\n", "a"],
    ["a\r\n", "a"],
    ["a\n\n", "a\n"],
    ["a\r\r\n", "a\r"],
    ["a\r", "a\r"],
    ["\n", ""],
    ["\r\n", ""],
    ["", ""],
    ["a\nb", "a\nb"],
  ] as const) {
    assert.equal(textOf(stripOneNewline(Buffer.from(input))), expected);
  }
});

test("the first line ends before its line end, whatever follows", () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[^\r\n]*$/), fc.string(), (line, rest) => {
      for (const end of ["\n", "\r\n"]) {
        assert.equal(textOf(firstLine(Buffer.from(line + end + rest))), textOf(Buffer.from(line)));
      }
      assert.equal(textOf(firstLine(Buffer.from(line))), textOf(Buffer.from(line)));
    }),
  );
});

const MODULE = new URL("./stdin.ts", import.meta.url).href;

test("what does not fit a pipe at once is read to its end", () => {
  const reader = `import { readAll } from ${JSON.stringify(MODULE)};
    process.stdout.write(readAll(1_000_000))`;
  const input = Buffer.alloc(300_000, "abc");
  const args = ["-c", `cat | "$0" "$@"`, process.execPath, "--input-type=module", "--eval", reader];
  assert.ok(spawnSync("sh", args, { input }).stdout.equals(input));
});

test("a non-blocking descriptor is waited for", async () => {
  // The driver writes only after the first read has failed.
  const reader = `
    import fs from "node:fs";
    import { syncBuiltinESMExports } from "node:module";
    const { readSync } = fs;
    fs.readSync = (...args) => {
      try {
        return readSync(...args);
      } catch (error) {
        fs.readSync = readSync;
        syncBuiltinESMExports();
        fs.writeSync(1, "ready");
        throw error;
      }
    };
    syncBuiltinESMExports();
    const { readAll } = await import(${JSON.stringify(MODULE)});
    process.stdout.write(readAll(100));`;
  const python = `
import os, subprocess, sys
r, w = os.pipe()
os.set_blocking(r, False)
child = subprocess.Popen(sys.argv[1:], stdin=r, stdout=subprocess.PIPE)
os.close(r)
assert child.stdout.read(5) == b"ready"
os.write(w, b"late")
os.close(w)
sys.stdout.buffer.write(child.stdout.read())
`;
  const args = ["-c", python, process.execPath, "--input-type=module", "--eval", reader];
  const driver = spawn("python3", args, { stdio: ["ignore", "pipe", "inherit"] });
  assert.equal(await text(driver.stdout), "late");
});
