import { equalBytes, type Suite } from "@sesame/core-crypto";
import { liftStatement } from "@sesame/core-ipc/daemon";
import { Denial, limits, type Clock } from "@sesame/core-types";

export type RootProofOptions = {
  readonly suite: Pick<Suite, "ed25519Verify" | "randomBytes">;
  readonly clock: Pick<Clock, "monotonicMs">;
  /** Id, 16 bytes. */
  readonly installation: Uint8Array;
  /** Of the record in force. */
  readonly rootKey: () => Uint8Array;
};

type Open = {
  readonly session: Uint8Array;
  readonly challenge: Uint8Array;
  readonly untilMs: number;
};

/** Proof of the root key, made for one panic and one session. docs/PROTOCOL.md, Panic. */
export class RootProof {
  readonly #options: RootProofOptions;
  #open: Open | null = null;

  constructor(options: RootProofOptions) {
    this.#options = options;
  }

  /** A new challenge, 32 bytes, in the place of any before it. */
  challenge(session: Uint8Array): Uint8Array {
    const { suite, clock } = this.#options;
    const challenge = suite.randomBytes(32);
    const untilMs = clock.monotonicMs() + limits.LIFT_CHALLENGE_MS;
    this.#open = { session: session.slice(), challenge, untilMs };
    return challenge;
  }

  /** A panic that begins is another one than a challenge was made for. */
  forget(): void {
    this.#open = null;
  }

  /** Takes the challenge's one answer. @throws {Denial} factor-rejected */
  expect(session: Uint8Array, signature: Uint8Array): void {
    const { suite, clock, installation, rootKey } = this.#options;
    const open = this.#open;
    this.#open = null;
    const isGood =
      open !== null &&
      clock.monotonicMs() < open.untilMs &&
      equalBytes(open.session, session) &&
      suite.ed25519Verify(
        rootKey(),
        liftStatement({ installation, session, challenge: open.challenge }),
        signature,
      );
    if (!isGood) throw new Denial("factor-rejected");
  }
}
