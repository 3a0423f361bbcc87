/**
 * What a daemon does all day, as a program: `workload.test-helper.ts <folder> <socket> <profile>
 * <denial>`. Ends with "done" on stdout. Profile `bus` serves on the socket until a client says
 * "end"; profile `vault` is a client of it.
 */
import assert from "node:assert/strict";
import * as crypto from "node:crypto";
import { EventEmitter, once } from "node:events";
import fs from "node:fs";
import { createRequire } from "node:module";
import net from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { Worker } from "node:worker_threads";
import {
  allocSecure,
  freeSecure,
  harden,
  hardening,
  nodeRules,
  peerCredentials,
  peerPidfd,
  protectSecure,
  restrictSyscalls,
  sandboxEnvironment,
  sandboxExec,
  sdNotify,
  secureMemory,
  threadStates,
  tryLock,
  type Denial,
  type SyscallProfile,
} from "./index.ts";
import { CODE } from "./confined.test-helper.ts";

interface Database {
  key(key: Buffer): void;
  pragma(text: string): unknown;
  exec(sql: string): void;
  prepare(sql: string): { run(...values: unknown[]): void; all(): unknown[] };
  transaction(work: () => void): () => void;
  close(): void;
}

interface Sodium {
  crypto_pwhash(...values: unknown[]): void;
  crypto_pwhash_async(...values: unknown[]): Promise<void>;
  crypto_scalarmult_base(publicKey: Uint8Array, secretKey: Uint8Array): void;
  crypto_aead_chacha20poly1305_ietf_encrypt(...values: unknown[]): number;
  crypto_aead_chacha20poly1305_ietf_decrypt(...values: unknown[]): number;
}

const require = createRequire(import.meta.url);
const [folder = "", socketPath = "", profile = "vault", denial = "kill", stage = "enter"] =
  process.argv.slice(2);

if (stage === "enter") {
  sandboxExec({
    rules: [...nodeRules(), ...CODE, { path: folder, access: "read-write-create" }],
    argv: [process.execPath, import.meta.filename, folder, socketPath, profile, denial, "inside"],
    env: sandboxEnvironment(),
  });
}

harden({ noNewPrivs: true });
const sodium = require("sodium-native") as Sodium;
const SQLite = require("better-sqlite3-multiple-ciphers") as new (path: string) => Database;
const early = worker();
await early.ready;
const emitter = new EventEmitter();
const server = net.createServer((socket) => serve(socket));
if (profile === "bus") await once(server.listen(socketPath), "listening");
const warmUp = new SQLite(join(folder, "warm-up.db"));
warmUp.close();

restrictSyscalls(profile as SyscallProfile, denial as Denial);

const late = worker();
await late.ready;
for (let round = 0; round < 2; round++) {
  files();
  await filesOnThePool();
  database();
  await cryptography();
  await Promise.all([early.work(), late.work(), delay(20)]);
  secrets();
  questions();
}
if (profile === "bus") {
  process.stdout.write("serving\n");
  await once(emitter, "end");
  server.close();
} else {
  for (let i = 0; i < 20; i++) assert.equal(await call(`hello ${i}`), `hello ${i}`);
  await call("end");
}
await Promise.all([early.end(), late.end()]);
process.stdout.write("done\n");
process.exit();

function serve(socket: net.Socket): void {
  const { fd } = (socket as unknown as { _handle: { fd: number } })._handle;
  assert.equal(peerCredentials(fd).uid, process.getuid?.());
  peerPidfd(fd)?.close();
  socket.on("error", () => undefined);
  socket.on("data", (chunk) => {
    fs.appendFileSync(join(folder, "log"), chunk);
    socket.write(chunk);
    if (String(chunk) === "end") emitter.emit("end");
  });
}

async function call(text: string): Promise<string> {
  const socket = net.connect(socketPath);
  socket.write(text);
  const [answer] = (await once(socket, "data")) as [Buffer];
  socket.destroy();
  return String(answer);
}

function files(): void {
  const directory = fs.mkdtempSync(join(folder, "d-"));
  const path = join(directory, "file");
  const fd = fs.openSync(path, "wx+", 0o600);
  fs.writeSync(fd, Buffer.alloc(100_000, 1));
  fs.fsyncSync(fd);
  fs.fdatasyncSync(fd);
  fs.fchmodSync(fd, 0o600);
  fs.ftruncateSync(fd, 1000);
  assert.equal(tryLock(fd), true);
  fs.closeSync(fd);
  fs.linkSync(path, `${path}.linked`);
  fs.renameSync(`${path}.linked`, `${path}.renamed`);
  fs.copyFileSync(path, `${path}.copied`);
  assert.equal(fs.readFileSync(path).length, 1000);
  assert.ok(fs.statSync(path).isFile() && fs.lstatSync(path).isFile() && fs.existsSync(path));
  fs.accessSync(path);
  fs.realpathSync(path);
  fs.statfsSync(folder);
  assert.equal(fs.readdirSync(directory, { withFileTypes: true }).length, 3);
  fs.unlinkSync(path);
  fs.rmSync(directory, { recursive: true });
}

async function filesOnThePool(): Promise<void> {
  const path = join(folder, "pool");
  await Promise.all(
    Array.from({ length: 8 }, async (_, i) => {
      await fs.promises.mkdir(`${path}-${i}`, { recursive: true });
      const file = await fs.promises.open(`${path}-${i}/file`, "w+", 0o600);
      await file.writev([Buffer.from("a"), Buffer.from("b")]);
      await file.datasync();
      await file.sync();
      await file.truncate(1);
      await file.close();
      await fs.promises.rename(`${path}-${i}/file`, `${path}-${i}/name`);
      await fs.promises.copyFile(`${path}-${i}/name`, `${path}-${i}/copy`);
      assert.equal(await fs.promises.readFile(`${path}-${i}/copy`, "utf8"), "a");
      await fs.promises.rm(`${path}-${i}`, { recursive: true });
    }),
  );
  for await (const chunk of fs.createReadStream(import.meta.filename)) assert.ok(chunk);
}

function database(): void {
  const path = join(folder, "vault.db");
  const db = new SQLite(path);
  db.pragma("cipher='sqlcipher'");
  db.pragma("legacy=4");
  db.key(Buffer.alloc(32, 7));
  db.pragma("journal_mode=WAL");
  db.pragma("synchronous=FULL");
  db.pragma("secure_delete=ON");
  db.exec("CREATE TABLE IF NOT EXISTS t (a INTEGER PRIMARY KEY, b BLOB)");
  const insert = db.prepare("INSERT INTO t (b) VALUES (?)");
  db.transaction(() => {
    for (let i = 0; i < 200; i++) insert.run(crypto.randomBytes(2000));
  })();
  assert.ok(db.prepare("SELECT * FROM t ORDER BY b").all().length >= 200);
  db.pragma("wal_checkpoint(TRUNCATE)");
  db.exec("DELETE FROM t; VACUUM");
  db.close();
}

async function cryptography(): Promise<void> {
  const key = allocSecure(32);
  const salt = crypto.randomBytes(16);
  const password = Buffer.from("password");
  sodium.crypto_pwhash(key, password, salt, 1, 8 << 20, 2);
  await sodium.crypto_pwhash_async(key, password, salt, 1, 64 << 20, 2);
  const publicKey = new Uint8Array(32);
  sodium.crypto_scalarmult_base(publicKey, key);
  const nonce = Buffer.alloc(12);
  const plain = allocSecure(300).fill(9);
  const sealed = Buffer.alloc(316);
  const opened = allocSecure(300);
  sodium.crypto_aead_chacha20poly1305_ietf_encrypt(sealed, plain, null, null, nonce, key);
  sodium.crypto_aead_chacha20poly1305_ietf_decrypt(opened, null, sealed, null, nonce, key);
  assert.deepEqual(Buffer.from(opened), Buffer.from(plain));
  for (const secret of [key, plain, opened]) freeSecure(secret);
  await promisify(crypto.scrypt)("a", salt, 32);
  const pbkdf2 = promisify(crypto.pbkdf2);
  await Promise.all(Array.from({ length: 8 }, () => pbkdf2("a", salt, 1000, 32, "sha256")));
  const parameters = { message: password, nonce: salt, parallelism: 4, tagLength: 32 };
  const cost = { memory: 64 << 10, passes: 1 };
  await promisify(crypto.argon2)("argon2id", { ...parameters, ...cost });
  crypto.generateKeyPairSync("x25519");
  await promisify(crypto.generateKeyPair)("ed25519");
  crypto.createHash("sha256").update("a").digest();
}

function secrets(): void {
  const own = allocSecure(5000);
  protectSecure(own, "ro");
  protectSecure(own, "none");
  freeSecure(own);
  const many = Array.from({ length: 300 }, () => allocSecure(32));
  assert.equal(secureMemory().kind, "memfd_secret");
  for (const secret of many) freeSecure(secret);
}

function questions(): void {
  for (const state of threadStates()) assert.ok(state.noNewPrivs && state.filters >= 2);
  assert.deepEqual(hardening(), {
    dumpable: false,
    coreLimit: 0,
    noNewPrivs: true,
    seccomp: true,
  });
  process.memoryUsage();
  process.resourceUsage();
  process.cpuUsage();
  process.hrtime();
  process.title = "sesame test";
  process.umask(0o077);
  sdNotify("WATCHDOG=1");
  const garbage = Array.from({ length: 200 }, () => new ArrayBuffer(1 << 20));
  assert.equal(garbage.length, 200);
  assert.ok(new Date().toISOString().length > 0 && new Date().toLocaleString().length > 0);
  const { port1, port2 } = new MessageChannel();
  port1.postMessage("x");
  port1.close();
  port2.close();
  try {
    throw new Error("with a stack");
  } catch (cause) {
    assert.ok((cause as Error).stack);
  }
}

function worker(): { ready: Promise<unknown>; work(): Promise<unknown>; end(): Promise<number> } {
  const script = `
    const { parentPort } = require("node:worker_threads");
    const crypto = require("node:crypto");
    const fs = require("node:fs");
    parentPort.postMessage("ready");
    parentPort.on("message", async (path) => {
      let hot = 0;
      for (let i = 0; i < 2e6; i++) hot = (hot * 31 + i) | 0;
      await fs.promises.writeFile(path, crypto.randomBytes(1000));
      await fs.promises.rm(path);
      parentPort.postMessage(hot);
    });`;
  const thread = new Worker(script, { eval: true });
  const path = join(folder, `worker-${thread.threadId}`);
  return {
    ready: once(thread, "message"),
    async work() {
      thread.postMessage(path, []);
      return once(thread, "message");
    },
    end: () => thread.terminate(),
  };
}
