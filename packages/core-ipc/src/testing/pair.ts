import type { Suite } from "@sesame/core-crypto";
import { nodeSuite } from "@sesame/core-crypto/node";
import type {
  FormerKeys,
  Identity,
  IdentityKind,
  IdentityState,
  Level,
  Capability,
} from "@sesame/core-types";
import { Handshake, type Transport } from "../noise/handshake.ts";

// What the tests of this package share: established transports, identities, a clock that is
// turned by hand.

/** Both ends of a session, the initiator's first. */
export function transportPair(
  one: Suite = nodeSuite,
  other: Suite = one,
): readonly [Transport, Transport] {
  const prologue = new Uint8Array([1, 2, 3]);
  const responderKeys = other.generateX25519();
  const initiator = new Handshake("initiator", {
    suite: one,
    prologue,
    staticKeys: one.generateX25519(),
    remoteStatic: responderKeys.publicKey,
  });
  const responder = new Handshake("responder", {
    suite: other,
    prologue,
    staticKeys: responderKeys,
  });
  responder.read(initiator.write(new Uint8Array()));
  initiator.read(responder.write(new Uint8Array()));
  return [initiator.split(), responder.split()];
}

/** A clock that is turned by hand. */
export function handClock(startMs = 1_700_000_000_000): {
  wallMs: () => number;
  monotonicMs: () => number;
  turn: (ms: number) => void;
  setBack: (ms: number) => void;
} {
  let wall = startMs;
  let monotonic = 1_000;
  return {
    wallMs: () => wall,
    monotonicMs: () => monotonic,
    turn: (ms) => {
      wall += ms;
      monotonic += ms;
    },
    setBack: (ms) => {
      wall -= ms;
    },
  };
}

/** A registered identity with the given public key. */
export function identity(
  name: string,
  given: {
    readonly noiseKey?: Uint8Array;
    readonly former?: readonly FormerKeys[];
    readonly kind?: IdentityKind;
    readonly state?: IdentityState;
    readonly clearance?: Level;
    readonly capabilities?: readonly Capability[];
  } = {},
): Identity {
  return {
    id: "00000000-0000-7000-8000-000000000000",
    name,
    kind: given.kind ?? "service",
    state: given.state ?? "active",
    enrolledMs: 1_700_000_000_000,
    wants: "",
    keyedMs: 1_700_000_000_000,
    former: given.former ?? [],
    clearance: given.clearance ?? "internal",
    capabilities: given.capabilities ?? [],
    noiseKey: given.noiseKey ?? nodeSuite.generateX25519().publicKey,
    sealingKey: new Uint8Array(32),
    signingKey: new Uint8Array(32),
  };
}
