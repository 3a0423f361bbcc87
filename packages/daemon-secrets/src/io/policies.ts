import { CryptoError, equalBytes, type Suite } from "@sesame/core-crypto";
import { openEnvelope, signEnvelope } from "@sesame/core-crypto/dsse";
import { readBounded, replaceFile, type Installation } from "@sesame/core-ipc/daemon";
import {
  expectNext,
  openPolicy,
  parsePolicy,
  PolicyError,
  policyLimits,
  policySigners,
  type Policy,
} from "@sesame/core-policy";
import { type Clock, Denial, Fault, limits } from "@sesame/core-types";
import type { Vault } from "../vault/vault.ts";
import { policyMark, setPolicyMark } from "../vault/policy-mark.ts";

/** What daemon-secrets signs: this policy was in force here. */
const IN_FORCE_TYPE = "application/vnd.sesame.policy-in-force.v1+json";

export type PoliciesOptions = {
  readonly suite: Suite;
  readonly clock: Clock;
  /** Where the operator leaves signed policies. */
  readonly offered: string;
  /** The one in force, signed by this daemon; in a directory of its own. */
  readonly kept: string;
  readonly own: { readonly publicKey: Uint8Array; readonly seed: Uint8Array };
  readonly installation: () => Installation;
};

type InForce = { readonly policy: Policy; readonly text: Uint8Array };

/** A policy that was verified and may come into force. */
export type NextPolicy = {
  readonly version: number;
  readonly changed: boolean;
  /** @throws {Denial} storage-failed; the one before stays in force */
  readonly adopt: () => void;
};

/** The policy in force: it only moves forward, also across restarts. */
export class Policies {
  readonly #options: PoliciesOptions;
  #inForce: InForce | null;
  /** The highest version that an unlocked vault remembers. */
  #marked = 0;

  /** @throws {Fault} integrity, if what was in force is damaged: it is not taken for nothing */
  constructor(options: PoliciesOptions) {
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

  /** A later policy was in force once and is not there any more. */
  get isMissing(): boolean {
    return this.#marked > (this.policy?.version ?? 0);
  }

  /**
   * Reads the offered policy. It is not in force yet.
   *
   * @throws {Denial} policy-refused, with the failure's code
   */
  reread(): NextPolicy {
    const { suite, clock, installation } = this.#options;
    try {
      const file = readBounded(this.#options.offered, policyLimits.MAX_SIGNED_BYTES);
      if (file === null) throw new Denial("policy-refused", "there is none");
      const record = installation();
      const trust = { installation: record.id, keys: policySigners(record) };
      const { policy, text } = openPolicy(suite, file, trust);
      const { version } = policy;
      if (this.text !== null && equalBytes(this.text, text))
        return { version, changed: false, adopt: () => undefined };
      const expect = (): void =>
        expectNext(policy, Math.max(this.policy?.version ?? 0, this.#marked), clock.wallMs());
      expect();
      const adopt = (): void => {
        // Another one may have come while this one was put on record.
        expect();
        this.#keep({ policy, text });
      };
      return { version, changed: true, adopt };
    } catch (cause) {
      throw refusedAs(cause);
    }
  }

  /** Compares with what an unlocked vault remembers, and has it remember what is in force. */
  meet(vault: Vault): void {
    const mark = policyMark(vault);
    this.#marked = Math.max(this.#marked, mark);
    const { version } = this.policy ?? { version: 0 };
    if (version > mark) setPolicyMark(vault, version);
  }

  #keep(next: InForce): void {
    const { suite, kept, own } = this.#options;
    const { publicKey, seed } = own;
    const sign = (message: Uint8Array): Uint8Array => suite.ed25519Sign(seed, message);
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
    const { suite, kept, own } = this.#options;
    try {
      const file = readBounded(kept, policyLimits.MAX_SIGNED_BYTES);
      if (file === null) return null;
      const trust = { payloadType: IN_FORCE_TYPE, keys: [own.publicKey] };
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

function refusedAs(cause: unknown): unknown {
  if (cause instanceof PolicyError) return new Denial("policy-refused", cause.code);
  return cause instanceof Fault ? new Denial("policy-refused", "policy-malformed") : cause;
}
