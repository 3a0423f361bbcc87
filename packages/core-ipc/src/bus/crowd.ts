import { limits, type IdentityKind } from "@sesame/core-types";

/** How many connections there are, with the one that is asked about. */
export type Crowd = {
  readonly all: number;
  /** Of unregistered ones, without it. */
  readonly open: number;
};

/**
 * Whether one connection is too many. The last places are for people and daemons, so that whoever
 * fills the others keeps out neither the operator nor what the operator needs. docs/PROTOCOL.md,
 * Limits.
 *
 * @param kind - of whoever connects; null: nobody
 */
export function isCrowded(kind: IdentityKind | null, { all, open }: Crowd): boolean {
  const { MAX_CONNECTIONS, MAX_OPEN_CONNECTIONS, RESERVED_CONNECTIONS } = limits;
  if (kind === "human" || kind === "daemon") return all > MAX_CONNECTIONS;
  if (all > MAX_CONNECTIONS - RESERVED_CONNECTIONS) return true;
  return kind === null && open >= MAX_OPEN_CONNECTIONS;
}
