import { CryptoError, equalBytes, type Suite } from "@sesame/core-crypto";
import { openEnvelope, signEnvelope } from "@sesame/core-crypto/dsse";
import {
  expectNext,
  openPolicy,
  parsePolicy,
  PolicyError,
  policySigners,
  type Policy,
} from "@sesame/core-policy";
import { type Clock, Denial, Fault, limits, type Identity, type Log } from "@sesame/core-types";
import type { Installation } from "../install/installation.ts";
import { readBounded, replaceFile } from "./files.ts";

/** What an owner signs: this policy was in force here. */
const IN_FORCE_TYPE = "application/vnd.sesame.policy-in-force.v1+json";

export type PolicyKeeperOptions = {
  readonly suite: Suite;
  readonly clock: Clock;
  /** The one in force, signed by this daemon; in a directory of its own. */
  readonly kept: string;
  /** This daemon, as the record in force has it. */
  readonly own: () => Pick<Identity, "signingKey" | "former">;
  /** Of its present signing key. */
  readonly seed: () => Uint8Array;
  readonly installation: () => Installation;
};

type InForce = { readonly policy: Policy; readonly text: Uint8Array };

/** A policy that was verified and may come into force. */
export type NextPolicy = {
  readonly version: number;
  readonly changed: boolean;
  /** @throws {Denial} storage-failed, policy-refused; the one before stays in force */
  readonly adopt: () => void;
};

/** The policy that an owner goes by: it only moves forward, also across restarts. */
export class PolicyKeeper {
  readonly #options: PolicyKeeperOptions;
  #inForce: InForce | null;
  #seen = 0;

  /** @throws {Fault} integrity, if what was in force is damaged: it is not taken for nothing */
  constructor(options: PolicyKeeperOptions) {
    this.#options = options;
    this.#inForce = this.#load();
  }

  get policy(): Policy | null {
    return this.#inForce?.policy ?? null;
  }

  /** As it was signed, or null. */
  get text(): Uint8Array | null {
    return this.#inForce?.text ?? null;
  }

  /** 0: none is in force. */
  get version(): number {
    return this.policy?.version ?? 0;
  }

  /** The highest version that is known to have been in force, here or elsewhere. */
  get seen(): number {
    return Math.max(this.version, this.#seen);
  }

  /** A later policy was in force once, or is at another owner, and is not here. */
  get isMissing(): boolean {
    return this.#seen > this.version;
  }

  /** Takes the word of whoever remembers that a policy of this version was in force. */
  remember(version: number): void {
    this.#seen = this.seen < version ? version : this.seen;
  }

  /**
   * Verifies a signed policy. It is not in force yet.
   *
   * @throws {Denial} policy-refused, with the failure's code
   */
  offer(file: Uint8Array): NextPolicy {
    const { suite, clock, installation } = this.#options;
    try {
      const record = installation();
      const trust = { installation: record.id, keys: policySigners(record, clock.wallMs()) };
      const { policy, text } = openPolicy(suite, file, trust);
      const { version } = policy;
      if (this.text !== null && equalBytes(this.text, text))
        return { version, changed: false, adopt: () => undefined };
      const expect = (): void =>
        expectNext(policy, { before: this.version, seen: this.seen }, clock.wallMs());
      expect();
      const adopt = (): void => {
        // Another one may have come while this one was put on record.
        refusing(expect);
        this.#keep({ policy, text });
      };
      return { version, changed: true, adopt };
    } catch (cause) {
      throw refusedAs(cause);
    }
  }

  /** Keeps the policy under the present keys, since former ones end. */
  signAnew(log: Log): void {
    try {
      if (this.#inForce !== null) this.#keep(this.#inForce);
    } catch (cause) {
      if (!(cause instanceof Denial)) throw cause;
      log("error", "policy not kept under the new keys", { reason: cause.message });
    }
  }

  /**
   * The present signing key, and former ones: that their date has come takes nothing back of what
   * this daemon kept before. Those that ended as stolen vouch for nothing.
   */
  #ownKeys(): Uint8Array[] {
    const { signingKey, former } = this.#options.own();
    const lapsed = former.filter(({ untilMs }) => untilMs > 0);
    return [signingKey, ...lapsed.map((keys) => keys.signingKey)];
  }

  #keep(next: InForce): void {
    const { suite, kept, own, seed } = this.#options;
    const { signingKey: publicKey } = own();
    const sign = (message: Uint8Array): Uint8Array => suite.ed25519Sign(seed(), message);
    const envelope = signEnvelope(IN_FORCE_TYPE, next.text, [{ publicKey, sign }]);
    try {
      replaceFile(kept, Buffer.from(envelope));
    } catch (cause) {
      if (cause instanceof Fault) throw new Denial("storage-failed", "policy");
      throw cause;
    }
    this.#inForce = next;
  }

  #load(): InForce | null {
    const { suite, kept } = this.#options;
    try {
      const file = readBounded(kept, limits.MAX_SIGNED_POLICY_BYTES);
      if (file === null) return null;
      const trust = { payloadType: IN_FORCE_TYPE, keys: this.#ownKeys() };
      const { payload } = openEnvelope(suite, file, {
        ...trust,
        maxBytes: limits.MAX_POLICY_BYTES,
      });
      const policy = parsePolicy(payload);
      if (policy.installation === this.#options.installation().id) return { policy, text: payload };
    } catch (cause) {
      if (!(cause instanceof CryptoError || cause instanceof PolicyError)) throw cause;
    }
    throw new Fault(
      "integrity",
      `${kept} is damaged or another installation's, so nobody knows which policy is in force`,
      "restore it from a backup; or remove it, start, and install the latest policy again",
    );
  }
}

function refusing(work: () => void): void {
  try {
    work();
  } catch (cause) {
    throw refusedAs(cause);
  }
}

function refusedAs(cause: unknown): unknown {
  return cause instanceof PolicyError ? new Denial("policy-refused", cause.code) : cause;
}
