import { Violation } from "./errors.ts";
import type { Posture } from "./messages.ts";
import { oneOf, struct, uint, type Infer, type Schema } from "./schema.ts";

// The trust vector: what the bus found out about a connection, for owners that want to refuse more
// than they must. docs/PROTOCOL.md, Trust vector. The sixth factor is the sender's kind.

/** How the sender proved who it is, weakest first; the place in the table is the byte. */
export const AUTHENTICATIONS = {
  none: "its key is nobody's",
  key: "the handshake proved the key of an identity",
  "key-and-pid":
    "the handshake proved the key of an identity, and the kernel named a living process",
} as const;
export type Authentication = keyof typeof AUTHENTICATIONS;

/** Through what the connection came, least exposed first; the place in the table is the byte. */
export const EXPOSURES = { local: "a Unix socket of this machine" } as const;
export type Exposure = keyof typeof EXPOSURES;

/** Percent that the memory of a confined daemon's keys counts for. */
export const KEY_MEMORY = {
  memfd_secret: 100,
  mlock: 50,
  none: 0,
} as const satisfies Record<Posture["secureMemory"], number>;

const WAYS = Object.keys(AUTHENTICATIONS) as readonly Authentication[];
const NETWORKS = Object.keys(EXPOSURES) as readonly Exposure[];

/** True for a word of the table. */
export function isAuthentication(word: string): word is Authentication {
  return Object.hasOwn(AUTHENTICATIONS, word);
}

const schema = {
  authentication: oneOf(WAYS),
  exposure: oneOf(NETWORKS),
  /** Percent: the least that a daemon has. */
  posture: uint,
  /** Unix seconds at which the bus last found the identity in the signed record; 0: never. */
  authorizedAt: uint,
  /** Grants of the longest living chain that ends with the identity; 0: there is none. */
  delegation: uint,
} as const;

export const trustSchema: Schema<Trust> = struct(schema);
export type Trust = { readonly [F in keyof typeof schema]: Infer<(typeof schema)[F]> };

/** That of a connection of which nothing is known. */
export const NO_TRUST: Trust = {
  authentication: "none",
  exposure: "local",
  posture: 0,
  authorizedAt: 0,
  delegation: 0,
};

/** What may be asked of a connection at least. */
export type Minimum = Pick<Trust, "authentication" | "posture">;

export const minimumSchema: Schema<Minimum> = struct({
  authentication: schema.authentication,
  posture: schema.posture,
});

/** Asks nothing. */
export const NO_MINIMUM: Minimum = { authentication: "none", posture: 0 };

/** Whether what is known of a connection is as much as is asked. */
export function meetsMinimum(known: Minimum, asked: Minimum): boolean {
  return (
    WAYS.indexOf(known.authentication) >= WAYS.indexOf(asked.authentication) &&
    known.posture >= asked.posture
  );
}

/** Asks what either asks. */
export function stricterMinimum(a: Minimum, b: Minimum): Minimum {
  const stronger = WAYS.indexOf(a.authentication) < WAYS.indexOf(b.authentication) ? b : a;
  return {
    authentication: stronger.authentication,
    posture: Math.max(a.posture, b.posture),
  };
}

export const TRUST_BYTES = 8;

/** As it stands in a header: authentication, exposure, posture, u32 of the time, delegation. */
export function encodeTrust(trust: Trust): Uint8Array {
  const out = new Uint8Array(TRUST_BYTES);
  out[0] = WAYS.indexOf(trust.authentication);
  out[1] = NETWORKS.indexOf(trust.exposure);
  out[2] = trust.posture;
  new DataView(out.buffer).setUint32(3, trust.authorizedAt);
  out[7] = trust.delegation;
  return out;
}

/** @throws {Violation} ENVELOPE-1 */
export function decodeTrust(from: Uint8Array): Trust {
  // By index: this runs for every message, and destructuring would iterate.
  const at = (i: number): number => from[i] ?? 0;
  const authentication = WAYS[at(0)];
  const exposure = NETWORKS[at(1)];
  const posture = at(2);
  if (
    from.length !== TRUST_BYTES ||
    authentication === undefined ||
    exposure === undefined ||
    posture > 100
  )
    throw new Violation("ENVELOPE-1", "not a trust vector");
  const authorizedAt = at(3) * 0x100_0000 + at(4) * 0x1_0000 + at(5) * 0x100 + at(6);
  return { authentication, exposure, posture, authorizedAt, delegation: at(7) };
}

/**
 * Percent: how well a daemon keeps its keys. One that can be read keeps them not at all; one that is
 * not confined, as the launcher cannot be, half as well as one that is.
 */
export function postureOf(measured: Posture): number {
  const { filesConfined, threads, threadsConfined, dumpable, coreLimit } = measured;
  if (dumpable || coreLimit !== 0) return 0;
  const confined = filesConfined && threadsConfined === threads;
  return KEY_MEMORY[measured.secureMemory] * (confined ? 1 : 0.5);
}
