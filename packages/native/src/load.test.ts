import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { buildSync, type BuildOptions } from "esbuild";
import { FACE, temporaryFolder } from "./child.test-helper.ts";
import { addonPath, checkNodeVersion } from "./index.ts";

const source = dirname(fileURLToPath(import.meta.url));
const prebuilt = join(source, "../prebuilt");

test("the addon of this architecture is found beside the package", () => {
  assert.equal(addonPath(), join(prebuilt, `linux-${process.arch}`, "sesame.node"));
});

test("a missing addon is an error that names platform and architecture", () => {
  const code = "ERR_SESAME_NO_ADDON";
  assert.throws(() => addonPath(source, "linux", "riscv64"), { code, message: /linux-riscv64/ });
  assert.throws(() => addonPath(source, "darwin", "arm64"), { code, message: /darwin-arm64/ });
});

test("an old Node is refused by its version", () => {
  for (const version of ["18.20.0", "20.20.2", "22.13.1"]) {
    assert.throws(() => checkNodeVersion(version), { code: "ERR_SESAME_NODE_VERSION" });
  }
  for (const version of ["22.14.0", "23.0.0", "24.21.0", "26.10.0"]) checkNodeVersion(version);
});

/** Bundles the face into a folder laid out like the repository, runs it, answers its output. */
function runBundle(folder: string, name: string, options: BuildOptions): string {
  const outfile = join(folder, "packages/cli/dist", name);
  buildSync({
    stdin: {
      contents: 'import { nofile } from "./index.ts"; console.log(nofile().hard)',
      resolveDir: source,
      loader: "ts",
    },
    outfile,
    bundle: true,
    platform: "node",
    logOverride: { "empty-import-meta": "silent" },
    ...options,
  });
  return execFileSync(process.execPath, [outfile], { encoding: "utf8" });
}

test("a bundle of another package finds the addon, as ES module and as CommonJS", (t) => {
  const folder = temporaryFolder(t);
  mkdirSync(join(folder, "packages/native"), { recursive: true });
  symlinkSync(prebuilt, join(folder, "packages/native/prebuilt"));
  assert.match(runBundle(folder, "a.mjs", { format: "esm" }), /^(\d+|Infinity)\n$/);
  assert.match(runBundle(folder, "b.cjs", { format: "cjs" }), /^(\d+|Infinity)\n$/);
});

test("a bundle can say where the addon is", (t) => {
  const folder = temporaryFolder(t);
  mkdirSync(join(folder, "packages/cli/dist"), { recursive: true });
  symlinkSync(prebuilt, join(folder, "packages/cli/dist/elsewhere"));
  const define = { SESAME_PREBUILT: '"./elsewhere"' };
  assert.match(runBundle(folder, "a.mjs", { format: "esm", define }), /^(\d+|Infinity)\n$/);
});

test("worker threads can load it too", async () => {
  const script = `import(${FACE}).then((face) => postMessage(face.nofile().hard > 0))`;
  const worker = new Worker(
    `const { parentPort } = require("node:worker_threads");
    const postMessage = (m) => parentPort.postMessage(m); ${script}`,
    { eval: true },
  );
  assert.deepEqual(await once(worker, "message"), [true]);
});

test("the prebuilt files ask for no library and no symbol version", () => {
  for (const arch of ["x64", "arm64"]) {
    const path = join(prebuilt, `linux-${arch}/sesame.node`);
    assert.deepEqual(dynamicTags(readFileSync(path)), [], path);
  }
});

/** Tags of the dynamic section (ELF64, little endian) that bind a file to certain libraries. */
function dynamicTags(elf: Buffer): number[] {
  const forbidden = new Set([1 /* NEEDED */, 15 /* RPATH */, 29 /* RUNPATH */, 0x6ffffffe]);
  const found: number[] = [];
  const headers = Number(elf.readBigUInt64LE(32));
  for (let i = 0; i < elf.readUInt16LE(56); i++) {
    const header = headers + i * elf.readUInt16LE(54);
    if (elf.readUInt32LE(header) !== 2 /* PT_DYNAMIC */) continue;
    const start = Number(elf.readBigUInt64LE(header + 8));
    const end = start + Number(elf.readBigUInt64LE(header + 32));
    for (let entry = start; entry < end; entry += 16) {
      const tag = Number(elf.readBigInt64LE(entry));
      if (forbidden.has(tag)) found.push(tag);
    }
  }
  return found;
}
