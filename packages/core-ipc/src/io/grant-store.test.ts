import assert from "node:assert/strict";
import {
  existsSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import { Fault } from "@sesame/core-types";
import { GrantStore, type Storable } from "./grant-store.ts";

let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sesame-store-"));
  path = join(folder, "grants.state");
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

const text = (content: string): Uint8Array => new TextEncoder().encode(content);

/** Stores `all` or, behind it, `change`. */
function storable(all: string, change: string): Storable {
  return { serialise: () => text(all), takeChanges: () => text(change) };
}

/** What a start of the daemon finds: the state and the changes; null: damage. */
function found(file: Uint8Array): string[] | null {
  const at = join(folder, "found");
  writeFileSync(at, file);
  try {
    const stored = new GrantStore(suite, at).load();
    assert.ok(stored);
    return [stored.state, ...stored.changes].map((bytes) => Buffer.from(bytes).toString());
  } catch (cause) {
    assert.ok(cause instanceof Fault && cause.exit === "integrity");
    return null;
  }
}

/** The file after each of so many writes, which are all in `words`. */
async function written(words: readonly string[]): Promise<Buffer[]> {
  const store = new GrantStore(suite, path);
  const files: Buffer[] = [];
  for (const [i, word] of words.entries()) {
    await store.write(storable(i === 0 ? word : "not to be stored", word));
    files.push(readFileSync(path));
  }
  await store.close();
  return files;
}

const WORDS = ["the state", "one", "", "three\0\0\0\0\0\0\0\0\0", "four"];

test("[AUTH-47] every write adds to what was there before", async () => {
  const files = await written(WORDS);
  files.forEach((file, i) => {
    assert.deepEqual(found(file), WORDS.slice(0, i + 1));
    assert.ok(i === 0 || file.subarray(0, files[i - 1]?.length).equals(files[i - 1] as Buffer));
  });
  assert.equal(statSync(path).mode & 0o777, 0o600);
});

test("[AUTH-48] a write that was cut short at any byte is as none, and what was before it is there", async () => {
  // SECURITY: a power cut would make an owner refuse all grants, or forget a revocation.
  const files = await written(WORDS);
  for (let i = 1; i < files.length; i++) {
    const [before, after] = [files[i - 1], files[i]] as [Buffer, Buffer];
    for (let cut = before.length; cut < after.length; cut++) {
      const short = after.subarray(0, cut);
      const rest = Buffer.alloc(after.length - cut);
      assert.deepEqual(found(short), WORDS.slice(0, i), `cut at ${cut}`);
      assert.deepEqual(found(Buffer.concat([short, Buffer.alloc(4_096)])), WORDS.slice(0, i));
      // The size was on disk before the content was.
      if (rest.length >= 8)
        assert.deepEqual(found(Buffer.concat([short, rest])), WORDS.slice(0, i));
    }
  }
});

test("[AUTH-48] a frame that ends in a zero is not taken for one that was cut short", async () => {
  // SECURITY: a power cut during the next write would bring back what was revoked before it.
  const store = new GrantStore(suite, path);
  const words: string[] = [];
  do {
    words.push(String(words.length));
    await store.write(storable("0", words.at(-1) ?? ""));
  } while (readFileSync(path).at(-1) !== 0);
  await store.close();
  const unwritten = Buffer.concat([readFileSync(path), Buffer.alloc(100)]);
  assert.deepEqual(found(unwritten), words);
});

test("[AUTH-48] a changed byte anywhere is found, also in the last write", async () => {
  // SECURITY: damage would pass for a write that nobody was told of, and bring back what was revoked.
  const whole = (await written(WORDS)).at(-1) as Buffer;
  for (let at = 0; at < whole.length; at++)
    for (const bit of [0, 3, 7]) {
      const file = Buffer.from(whole);
      file[at] = (file[at] ?? 0) ^ (1 << bit);
      assert.equal(found(file), null, `byte ${at}, bit ${bit}`);
    }
});

test("[AUTH-48] what is taken out, doubled, swapped or put behind is found", async () => {
  const files = await written(WORDS);
  const whole = files.at(-1) as Buffer;
  const frames = files.map((file, i) => file.subarray(files[i - 1]?.length ?? 0));
  for (let i = 0; i < frames.length - 1; i++) {
    assert.equal(found(Buffer.concat(frames.toSpliced(i, 1))), null, `without ${i}`);
    assert.equal(found(Buffer.concat(frames.toSpliced(i, 0, frames[i] as Buffer))), null);
    const [one, other] = [frames[i + 1], frames[i]] as [Buffer, Buffer];
    assert.equal(found(Buffer.concat(frames.toSpliced(i, 2, one, other))), null);
  }
  assert.equal(found(Buffer.concat([whole, Buffer.alloc(40, 1)])), null);
  for (const none of ["", "sesame grants v2\n", "sesame grants v3\n"])
    assert.equal(found(Buffer.from(none)), null);
  assert.equal(found((files[0] as Buffer).subarray(0, -1)), null, "the state comes whole");
});

test("[AUTH-49] the first write of a start stores all, whatever was torn, and later ones go on", async () => {
  await written(["old", "older"]);
  writeFileSync(path, Buffer.concat([readFileSync(path), Buffer.from([0, 0, 1])]));
  writeFileSync(`${path}.new`, "what a crash left");
  const store = new GrantStore(suite, path);
  assert.equal(store.load()?.torn, 3);
  await store.write(storable("all", "no"));
  await store.write(storable("no", "more"));
  await store.close();
  assert.deepEqual(found(readFileSync(path)), ["all", "more"]);
  assert.ok(!existsSync(`${path}.new`));
});

test("[AUTH-49] the file stays within twice its state and a little", async () => {
  const store = new GrantStore(suite, path);
  let largest = 0;
  let shrunk = 0;
  let before = 0;
  for (let i = 0; i < 60; i++) {
    await store.write(storable("x".repeat(100_000), `${i} ${"y".repeat(20_000)}`));
    const { size } = statSync(path);
    if (size < before) shrunk += 1;
    before = size;
    largest = Math.max(largest, size);
  }
  await store.close();
  assert.ok(largest < 100_200 + 256 * 1024, String(largest));
  assert.ok(shrunk >= 3);
  const [state, ...changes] = found(readFileSync(path)) ?? [];
  assert.equal(state?.length, 100_000);
  assert.ok(changes.length < 14);
});

test("[AUTH-49] nothing is written behind a write that failed, or into a file that is not there", async () => {
  // SECURITY: what was acknowledged would stand where no start looks for it.
  const store = new GrantStore(suite, path);
  await store.write(storable("state", ""));
  const failing: Storable = {
    serialise: () => text("no"),
    takeChanges: () => ({ length: 8 }) as Uint8Array,
  };
  await assert.rejects(store.write(failing));
  await store.write(storable("anew", "no"));
  assert.deepEqual(found(readFileSync(path)), ["anew"]);

  renameSync(path, `${path}.moved`);
  await store.write(storable("there again", "no"));
  assert.deepEqual(found(readFileSync(path)), ["there again"]);

  writeFileSync(path, "as long as another's");
  await store.write(storable("once more", "no"));
  assert.deepEqual(found(readFileSync(path)), ["once more"]);

  rmSync(folder, { recursive: true });
  await assert.rejects(store.write(storable("nowhere", "no")), Fault);
  await store.close();
});

test("[AUTH-50] the file of a former release is read, and replaced by the first write", async () => {
  const state = text("what it held");
  const former = Buffer.concat([text("sesame grants v1\n"), suite.blake2s(state), state]);
  assert.deepEqual(found(former), ["what it held"]);
  for (let at = 0; at < former.length; at++) {
    const file = Buffer.from(former);
    file[at] = (file[at] ?? 0) ^ 2;
    assert.equal(found(file), null);
  }
  writeFileSync(path, former);
  const store = new GrantStore(suite, path);
  assert.ok(store.load());
  await store.write(storable("all", "no"));
  await store.close();
  assert.deepEqual(found(readFileSync(path)), ["all"]);
});
