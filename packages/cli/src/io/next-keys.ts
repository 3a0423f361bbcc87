import {
  closeSync,
  constants,
  fstatSync,
  linkSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { equalBytes } from "@sesame/core-crypto";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import {
  createImportedKeyFile,
  createKeyFile,
  createSignerKeyFile,
  fileFault,
  openKeyFile,
  protectionOf,
  setAsideIfDamaged,
  type HeldKeys,
} from "@sesame/core-ipc/daemon";
import { Fault } from "@sesame/core-types";
import { tryLock } from "@sesame/native";

const SEED_BYTES = 32;

/**
 * The key file of an identity, and the keys on their way into it. These are made beside it, in the
 * form that it has, and take its place once they are in force: a crash at any step leaves an identity
 * that works, and a rotation that goes on where it was when it is run again.
 */
export class RotatingKeys {
  readonly #path: string;
  readonly #ask: () => Promise<Uint8Array>;
  readonly #lock: number;
  #passphrase: Uint8Array | null = null;

  /**
   * @param ask - for the passphrase, once, if one protects the keys
   * @throws {Fault} try-later, while another rotation of these keys goes on
   */
  constructor(path: string, ask: () => Promise<Uint8Array>) {
    this.#path = path;
    this.#ask = ask;
    this.#lock = takeLock(`${path}.lock`);
  }

  /** Those of the key file. Throws as openKeyFile; null if there is none. */
  present(): Promise<HeldKeys | null> {
    return this.#open(this.#path);
  }

  /** Those that wait to take its place, or null. A damaged file is set aside: it can take none. */
  waiting(): Promise<HeldKeys | null> {
    setAsideIfDamaged(suite, this.#next);
    return this.#open(this.#next);
  }

  /**
   * Keys that wait are signed only if they are kept as the present ones are. Whoever writes files
   * here and could not read those may have put others there, which it knows.
   *
   * @param signer - the key of an ssh-agent that is to sign; null: the keys are all in the file
   * @throws {Fault} integrity
   */
  expectOwn({ signingSeed, signingKey }: HeldKeys, signer: Uint8Array | null): void {
    const [before, after] = [this.#path, this.#next].map((path) => protectionOf(suite, path));
    const isHeldSo = signer === null || (signingSeed === null && equalBytes(signingKey, signer));
    if (before === after && isHeldSo) return;
    throw new Fault(
      "integrity",
      `the keys in ${this.#next} are not kept as those are that they would replace`,
      "remove it unless an earlier rotation left it: then run that again, with its own flags",
    );
  }

  /**
   * New keys, under the passphrase of the present ones if there is one.
   *
   * @param signingKey - that of an ssh-agent; null: in the file as the others
   */
  async make(signingKey: Uint8Array | null): Promise<HeldKeys> {
    const isProtected = protectionOf(suite, this.#path) === "passphrase";
    const passphrase = isProtected ? await this.#known() : null;
    if (signingKey !== null) await createSignerKeyFile(suite, this.#next, signingKey, passphrase);
    else if (passphrase === null) createKeyFile(suite, this.#next);
    else {
      const seed = suite.randomBytes(SEED_BYTES);
      await createImportedKeyFile(suite, this.#next, seed, passphrase);
      seed.fill(0);
    }
    const made = await this.waiting();
    if (made !== null) return made;
    throw new Fault("io", `${this.#next} went away`, "run the command again");
  }

  /** Puts the waiting ones in place; the key file that was there stays beside it, with `.former`. */
  place(): void {
    try {
      rmSync(`${this.#path}.former`, { force: true });
      linkSync(this.#path, `${this.#path}.former`);
      renameSync(this.#next, this.#path);
    } catch (cause) {
      throw fileFault(cause, this.#path);
    }
  }

  /** Ends the use of the files. */
  close(): void {
    this.#passphrase?.fill(0);
    // While it is held: afterwards it may be the next one's.
    rmSync(`${this.#path}.lock`, { force: true });
    closeSync(this.#lock);
  }

  get #next(): string {
    return `${this.#path}.next`;
  }

  #open(path: string): Promise<HeldKeys | null> {
    return openKeyFile(suite, path, async () => {
      const known = await this.#known();
      const copy = new Uint8Array(new ArrayBuffer(known.length));
      copy.set(known);
      return copy;
    });
  }

  async #known(): Promise<Uint8Array> {
    return (this.#passphrase ??= await this.#ask());
  }
}

/** Two rotations at once would each put its keys in the place of the other's. */
function takeLock(path: string): number {
  try {
    for (;;) {
      const fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
      const isMine = tryLock(fd);
      if (isMine && isAt(fd, path)) return fd;
      closeSync(fd);
      if (!isMine) break;
    }
  } catch (cause) {
    throw fileFault(cause, path);
  }
  throw new Fault(
    "try-later",
    "the keys of this identity are being rotated already",
    "wait for the other `sesame agent rotate`, or stop it",
  );
}

/** Whoever had the lock before removes the file, perhaps since it was opened here. */
function isAt(fd: number, path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.ino === fstatSync(fd).ino;
}
