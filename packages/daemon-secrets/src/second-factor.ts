import { wipe, type Suite } from "@sesame/core-crypto";
import { matchTotp, TOTP_SECRET_BYTES } from "@sesame/core-crypto/totp";
import {
  bytes,
  decode,
  Denial,
  encode,
  limits,
  nullable,
  struct,
  toHex,
  uint,
  type Clock,
} from "@sesame/core-types";
import type { Asker } from "./approval/desk.ts";
import type { Throttles } from "./io/throttles.ts";
import type { Vault } from "./vault/vault.ts";

// One-time codes of a profile. The secret lies in the profile's vault: without the vault's password
// nobody reads it, and while the vault is locked no code is good. docs/TOTP.md.

const NOTE = "totp";
const MAX_FRESH = 1_024;
const key = bytes(TOTP_SECRET_BYTES, TOTP_SECRET_BYTES);
const noteSchema = struct({
  /** In force; null: none yet. */
  secret: nullable(key),
  /** Of the last code that was accepted. */
  lastStep: uint,
  /** Handed out, and in force once a code of it was given. */
  offered: nullable(key),
});

export type SecondFactorOptions = {
  readonly suite: Suite;
  readonly clock: Clock;
  readonly throttles: Throttles;
};

/** Who gave a code of which profile on which session, and checks of codes. */
export class SecondFactor {
  readonly #options: SecondFactorOptions;
  /** Until when, by the clock that never goes back. */
  #fresh = new Map<string, number>();

  constructor(options: SecondFactorOptions) {
    this.#options = options;
  }

  /**
   * Makes a secret, to be confirmed by a code of it.
   *
   * @param code - of the secret in force, if there is one
   * @returns 20 bytes, which the caller wipes
   * @throws {Denial} totp-needed, totp-rejected, throttled, storage-failed
   */
  offer(vault: Vault, asker: Asker, code: Uint8Array | null): Uint8Array {
    if (code !== null) this.verify(vault, asker, code);
    return withNote(vault, ({ secret, lastStep }) => {
      if (secret !== null && code === null) throw new Denial("totp-needed", vault.profile);
      const { suite } = this.#options;
      const offered = suite.allocSecret(TOTP_SECRET_BYTES);
      const random = suite.randomBytes(TOTP_SECRET_BYTES);
      offered.set(random);
      wipe(random);
      keep(vault, { secret, lastStep, offered });
      return offered;
    });
  }

  /** Puts the offered secret in force. Denial `totp-rejected` if this is no code of it. */
  confirm(vault: Vault, { identity }: Asker, code: Uint8Array): void {
    this.#once(identity.id, vault, () =>
      withNote(vault, ({ offered }) => {
        const step = offered === null ? null : this.#match(offered, code, 0);
        if (step !== null) keep(vault, { secret: offered, lastStep: step, offered: null });
        return step !== null;
      }),
    );
  }

  /**
   * Checks a code, which is then used up.
   *
   * @returns has it count: for MAX_TOTP_AGE_MS this session has given one
   * @throws {Denial} totp-rejected, throttled, storage-failed
   */
  verify(vault: Vault, asker: Asker, code: Uint8Array): () => void {
    this.#once(asker.identity.id, vault, () =>
      withNote(vault, ({ secret, lastStep, offered }) => {
        const step = secret === null ? null : this.#match(secret, code, lastStep);
        // On disk before it counts: no restart makes a code good again.
        if (step !== null) keep(vault, { secret, lastStep: step, offered });
        return step !== null;
      }),
    );
    const fresh = this.#fresh;
    return () => this.#remember(fresh, keyOf(asker, vault.profile));
  }

  /** Whether codes of the profile are in force. */
  isSetUp(vault: Vault): boolean {
    return withNote(vault, ({ secret }) => secret !== null);
  }

  /** Whether this session has given a code of the profile just now. */
  isFresh(asker: Asker, profile: string): boolean {
    const until = this.#fresh.get(keyOf(asker, profile)) ?? 0;
    return this.#options.clock.monotonicMs() < until;
  }

  /** After a lock no code counts any more. */
  forget(): void {
    // A new map: what was verified before and counts only now comes too late.
    this.#fresh = new Map();
  }

  #remember(fresh: Map<string, number>, session: string): void {
    fresh.delete(session);
    fresh.set(session, this.#options.clock.monotonicMs() + limits.MAX_TOTP_AGE_MS);
    for (const oldest of fresh.keys()) {
      if (fresh.size <= MAX_FRESH) return;
      fresh.delete(oldest);
    }
  }

  #match(secret: Uint8Array, code: Uint8Array, lastStep: number): number | null {
    const digits = Buffer.from(code).toString("latin1");
    return matchTotp(secret, digits, this.#options.clock.wallMs(), lastStep);
  }

  /** One try: counted on disk before it is made, for each identity and profile apart. */
  #once(identity: string, { profile }: Vault, isGood: () => boolean): void {
    const { throttles } = this.#options;
    // No profile has such a name.
    const count = `${identity}~${profile}~totp`;
    throttles.begin(count);
    if (!isGood()) throw new Denial("totp-rejected");
    throttles.succeed(count);
  }
}

type Note = {
  readonly secret: Uint8Array | null;
  readonly lastStep: number;
  readonly offered: Uint8Array | null;
};

function withNote<T>(vault: Vault, use: (note: Note) => T): T {
  const stored = vault.note(NOTE);
  if (stored === null) return use({ secret: null, lastStep: 0, offered: null });
  const note = decode(noteSchema, stored);
  try {
    return use(note);
  } finally {
    for (const secret of [stored, note.secret, note.offered]) if (secret !== null) wipe(secret);
  }
}

function keep(vault: Vault, note: Note): void {
  const stored = encode(noteSchema, note);
  try {
    vault.setNote(NOTE, stored);
  } finally {
    wipe(stored);
  }
}

function keyOf({ identity, session }: Asker, profile: string): string {
  return `${toHex(session)} ${identity.id} ${profile}`;
}
