import { equalBytes, type Suite, type X25519KeyPair } from "@sesame/core-crypto";
import { Fault, type Clock, type Identity, type Log } from "@sesame/core-types";
import type { Statics } from "../noise/respond.ts";
import { eraseKeys, keysIn } from "./key-directory.ts";
import type { IdentityKeys } from "./key-file.ts";
import { RecordInForce, type RecordOptions } from "./record-in-force.ts";

export type OwnOptions = Omit<RecordOptions, "keyring"> & {
  /** The directory of the daemon's keys. */
  readonly keys: string;
  /** The daemon, as people are told of it. */
  readonly title: string;
  readonly clock: Pick<Clock, "wallMs">;
  readonly log: Log;
};

type Former = { readonly noise: X25519KeyPair; readonly untilMs: number };

/** Milliseconds between two looks at the dates of former keys. */
const LOOK_EVERY_MS = 1_000;

/**
 * What a daemon starts from: the record that it goes by, and the keys that the record names as its
 * own.
 *
 * @throws {Fault} as RecordInForce and keysIn; integrity, if the keys are others
 */
export function openOwn(options: OwnOptions): {
  readonly inForce: RecordInForce;
  readonly keys: OwnKeys;
} {
  const keys = new OwnKeys(options);
  const inForce = new RecordInForce({ ...options, keyring: keys });
  keys.follow(() => inForce.news());
  setInterval(() => keys.lapse(), LOOK_EVERY_MS).unref();
  return { inForce, keys };
}

/**
 * A daemon's own keys: the present ones, and former ones that handshakes may be addressed to until
 * their dates. What may be used no more is erased. docs/KEYS.md, Daemons
 */
export class OwnKeys implements Statics {
  readonly #suite: Suite;
  readonly #directory: string;
  readonly #title: string;
  readonly #wallMs: () => number;
  readonly #log: Log;
  #present: IdentityKeys | null = null;
  #former: readonly Former[] = [];
  #latestMs = 0;
  #news: () => Identity | null = () => null;

  constructor(options: Pick<OwnOptions, "suite" | "keys" | "title" | "clock" | "log">) {
    const { suite, keys, title, clock, log } = options;
    this.#suite = suite;
    this.#directory = keys;
    this.#title = title;
    this.#wallMs = clock.wallMs;
    this.#log = log;
  }

  get present(): IdentityKeys {
    if (this.#present === null) throw new RangeError("no record has named the keys");
    return this.#present;
  }

  /** The newest first. */
  all(): readonly X25519KeyPair[] {
    const nowMs = this.#nowMs();
    const former = this.#former.filter(({ untilMs }) => untilMs > nowMs);
    return [this.present.noise, ...former.map(({ noise }) => noise)];
  }

  /** Takes over what a record says that nobody has told of yet; true if it names other keys. */
  refresh(): boolean {
    const own = this.#news();
    if (own === null || equalBytes(own.noiseKey, this.present.noise.publicKey)) return false;
    this.adopt(own);
    return true;
  }

  /** @param news - the daemon's identity in a later record than the one in force, if there is one */
  follow(news: () => Identity | null): void {
    this.#news = news;
  }

  /** True if the keys of this identity are there. */
  holds(own: Identity): boolean {
    try {
      return keysIn(this.#suite, this.#directory, own.noiseKey) !== null;
    } catch (cause) {
      if (cause instanceof Fault) return false;
      throw cause;
    }
  }

  /**
   * Goes by the keys that this identity has from now on; others that it had are erased.
   *
   * @throws {Fault} as keysIn; integrity, if they are not there
   */
  adopt(own: Identity): void {
    const nowMs = this.#nowMs();
    const before = this.#present === null ? [] : [this.#present, ...this.#former];
    const gone = before.map(({ noise }) => noise.publicKey);
    this.#present = this.#keysOf(own.noiseKey) ?? this.#missing();
    const latest = own.former.filter(({ untilMs }) => untilMs > nowMs).toReversed();
    this.#former = latest.flatMap(({ noiseKey, untilMs }) => {
      const noise = this.#formerOf(noiseKey);
      return noise === null ? [] : [{ noise, untilMs }];
    });
    const known = [own.noiseKey, ...latest.map(({ noiseKey }) => noiseKey)];
    for (const { noiseKey, untilMs } of own.former) if (untilMs <= nowMs) gone.push(noiseKey);
    this.#erase(gone.filter((key) => !known.some((one) => equalBytes(one, key))));
  }

  /** Ends former keys whose date has come. */
  lapse(): void {
    const nowMs = this.#nowMs();
    const ended = this.#former.filter(({ untilMs }) => untilMs <= nowMs);
    if (ended.length === 0) return;
    this.#former = this.#former.filter((former) => !ended.includes(former));
    this.#erase(ended.map(({ noise }) => noise.publicKey));
  }

  #erase(keys: readonly Uint8Array[]): void {
    if (keys.length === 0) return;
    try {
      eraseKeys(this.#suite, this.#directory, (noiseKey) =>
        keys.some((key) => equalBytes(key, noiseKey)),
      );
    } catch (cause) {
      if (!(cause instanceof Fault)) throw cause;
      this.#log("warn", "former keys not erased", { reason: cause.message, hint: cause.hint });
    }
  }

  #keysOf(noiseKey: Uint8Array): IdentityKeys | null {
    const { noise } = this.#present ?? {};
    if (noise !== undefined && equalBytes(noise.publicKey, noiseKey)) return this.#present;
    return keysIn(this.#suite, this.#directory, noiseKey);
  }

  /** A former key that was lost is one that nobody can use any more. */
  #formerOf(noiseKey: Uint8Array): X25519KeyPair | null {
    const known = this.#former.find(({ noise }) => equalBytes(noise.publicKey, noiseKey));
    if (known !== undefined) return known.noise;
    try {
      return keysIn(this.#suite, this.#directory, noiseKey)?.noise ?? null;
    } catch (cause) {
      if (cause instanceof Fault) return null;
      throw cause;
    }
  }

  #missing(): never {
    throw new Fault(
      "integrity",
      `${this.#title}'s key file does not belong to this installation`,
      "restore the keys directory from a backup; with units of an older release, install them again",
    );
  }

  /** A clock that is set back gives no key more time. */
  #nowMs(): number {
    this.#latestMs = Math.max(this.#latestMs, this.#wallMs());
    return this.#latestMs;
  }
}
