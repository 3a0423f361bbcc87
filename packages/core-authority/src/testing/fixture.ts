import { nodeSuite } from "@sesame/core-crypto/node";
import { uuidText, type Capability } from "@sesame/core-types";
import type { Party, Trust } from "../chain.ts";
import { draftGrant, signGrant, type Grant, type SignedGrant } from "../grant.ts";
import type { Now } from "../ledger.ts";
import { enrolledScope, parseScope } from "../scope.ts";

// What the tests of this package share: a cast of identities with keys, two clocks that are set by
// hand, and randomness that only counts.

export const suite = nodeSuite;

export const START_MS = 1_763_000_000_000;
export const MINUTE_MS = 60_000;

export const INSTALLATION = numbered(0xabcd);

/** A UUID that carries a number. */
export function numbered(number: number): string {
  const id = new Uint8Array(16).fill(0x11);
  new DataView(id.buffer).setUint32(12, number);
  return uuidText(id);
}

/** Bytes that differ from call to call. */
export function counting(): (length: number) => Uint8Array {
  let calls = 0;
  return (length) => {
    const out = new Uint8Array(length);
    new DataView(out.buffer).setUint32(length - 4, ++calls);
    return out;
  };
}

/** Both clocks; `pass` moves them together, as time does. */
export class HandClock {
  wallMs = START_MS;
  bootMs = 1_000_000;

  now(): Now {
    return { wallMs: this.wallMs, bootMs: this.bootMs };
  }

  pass(ms: number): Now {
    this.wallMs += ms;
    this.bootMs += ms;
    return this.now();
  }
}

/** An identity with its keys; the number makes both. */
export class Member {
  readonly id: string;
  readonly seed: Uint8Array;
  readonly party: Party;

  constructor(number: number, capabilities: readonly Capability[], revoked = false) {
    this.id = numbered(number);
    this.seed = new Uint8Array(new ArrayBuffer(32)).fill(number);
    const signingKey = suite.ed25519PublicKey(this.seed);
    this.party = { scope: enrolledScope(capabilities), signingKey, revoked };
  }

  sign(grant: Grant): SignedGrant {
    return signGrant(grant, (message) => suite.ed25519Sign(this.seed, message));
  }
}

export function trustIn(members: readonly Member[]): Trust {
  const byId = new Map(members.map((member) => [member.id, member.party]));
  return { installation: INSTALLATION, party: (id) => byId.get(id) ?? null, verifier: suite };
}

/** A grant from one to another, of `secret-use:ci/**` that may be handed on, unless told otherwise. */
export function grantFrom(
  random: (length: number) => Uint8Array,
  from: Member,
  to: Member,
  changes: Partial<Grant> = {},
): Grant {
  const draft = draftGrant(
    {
      installation: INSTALLATION,
      delegator: from.id,
      delegatee: to.id,
      kind: "service",
      parent: null,
      scope: parseScope("secret-use:ci/**+8"),
    },
    { wallMs: START_MS, random },
  );
  return { ...draft, ...changes };
}
