import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Argon2Params } from "@sesame/core-crypto";
import { sodiumSuite } from "@sesame/core-crypto/sodium";
import { type Clock, Denial, type DenialCode } from "@sesame/core-types";
import Database from "better-sqlite3-multiple-ciphers";
import { Vaults } from "../io/vaults.ts";
import { unwrapWithPassword } from "../vault/factors.ts";
import { type Header, parseHeader } from "../vault/header.ts";
import { deriveKey } from "../vault/keys.ts";

/** The least that Argon2id takes: tests of everything but its cost. */
export const CHEAP: Argon2Params = { memoryKiB: 8, passes: 1, lanes: 1 };
export const PASSWORD = utf8("correct horse");
export const WRONG = utf8("battery staple");

export function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** A clock that is turned by hand. */
export function handClock(): Clock & { wall: number; monotonic: number } {
  const clock = { wall: 1_700_000_000_000, monotonic: 5_000 };
  return Object.assign(clock, { wallMs: () => clock.wall, monotonicMs: () => clock.monotonic });
}

/** A directory of its own for vaults with cheap factors. */
export function makeBench() {
  const root = mkdtempSync(join(tmpdir(), "sesame-vaults-"));
  const directory = join(root, "vaults");
  const clock = handClock();
  const restart = (kdf = CHEAP, at: Clock = clock): Vaults =>
    new Vaults({ directory, suite: sodiumSuite, clock: at, kdf });
  return {
    directory,
    clock,
    /** The vaults as a daemon that has just started sees them. */
    restart,
    vaults: restart(),
    path: (file: string): string => join(directory, file),
    remove: (): void => rmSync(root, { recursive: true }),
  };
}

export type Bench = ReturnType<typeof makeBench>;

export function loadHeader(bench: Bench, profile: string): Header {
  const signed = parseHeader(readFileSync(bench.path(`${profile}.vault`), "utf8"));
  if (signed === null || signed === "newer") throw new Error("no header");
  return signed.header;
}

/** SQLCipher's raw key in hex, by way of the password. */
export async function rawKeyHex(bench: Bench, profile: string): Promise<string> {
  const opened = await unwrapWithPassword(sodiumSuite, loadHeader(bench, profile), PASSWORD);
  if (opened === null) throw new Error("wrong password");
  const key = deriveKey(sodiumSuite, "database", profile, opened.master);
  return Buffer.from(key).toString("hex");
}

/** Works on a closed vault's database as somebody who has its key. */
export async function tamper(
  bench: Bench,
  profile: string,
  work: (db: Database) => void,
): Promise<void> {
  const hex = await rawKeyHex(bench, profile);
  const db = new Database(bench.path(`${profile}.db`), { fileMustExist: true, timeout: 0 });
  db.pragma("cipher = 'sqlcipher'");
  db.pragma("legacy = 4");
  db.key(Buffer.from(`x'${hex}'`));
  work(db);
  db.close();
}

/** For assert.throws and assert.rejects. */
export function denial(code: DenialCode, detail?: string): (error: unknown) => boolean {
  return (error) =>
    error instanceof Denial &&
    error.code === code &&
    (detail === undefined || error.detail === detail);
}
