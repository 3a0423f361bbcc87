import { printScope, type Grant, type Scope, type SignedGrant } from "@sesame/core-authority";
import type { Installation } from "@sesame/core-ipc/daemon";
import {
  dominates,
  levelRank,
  MESSAGES,
  toHex,
  type Identity,
  type Level,
  type Minimum,
} from "@sesame/core-types";
import { durationText } from "../duration.ts";
import { printable } from "../printable.ts";
import type { Outcome } from "../render.ts";

// What people are told of a grant.

/** A grant that its owners took: the chain from its leaf, and what it gives. */
export type Created = {
  readonly chain: readonly SignedGrant[];
  readonly effective: Scope;
  readonly warnings: readonly string[];
};

/** A grant in the form of `--json`. */
export type Summary = {
  readonly id: string;
  readonly from: string;
  readonly to: string;
  readonly parent: string | null;
  readonly scope: string;
  readonly profiles: readonly string[] | null;
  readonly endsMs: number;
  readonly heartbeatMs: number;
  readonly usesLeft: number | null;
  /** Program and patterns of its arguments, of each command; null: any, as far as the scope goes. */
  readonly commands: readonly (readonly string[])[] | null;
  /** The only program that may use it. */
  readonly program: { readonly path: string; readonly sha256: string } | null;
  /** How far its holder's connection has to be trusted. */
  readonly minimum: Minimum | null;
};

export function summary(
  installation: Installation,
  grant: Grant,
  usesLeft: number | null,
): Summary {
  const nameOf = (id: string): string =>
    installation.identities.find((identity) => identity.id === id)?.name ?? id;
  const { pointOfUse, minimum } = grant;
  return {
    id: grant.id,
    from: nameOf(grant.delegator),
    to: nameOf(grant.delegatee),
    parent: grant.parent,
    scope: printScope(grant.scope),
    profiles: grant.profiles,
    endsMs: grant.issuedAtMs + grant.ttlMs,
    heartbeatMs: grant.heartbeatMs,
    usesLeft,
    commands: grant.commands?.map(({ path, args }) => [path, ...args]) ?? null,
    program:
      pointOfUse === null ? null : { path: pointOfUse.path, sha256: toHex(pointOfUse.sha256) },
    minimum,
  };
}

/** What `trust show` of its holder has to say; nothing if the grant asks nothing. */
export function minimumText({ minimum }: Summary): string[] {
  if (minimum === null) return [];
  const { authentication, posture } = minimum;
  const asked = [
    ...(authentication === "none" ? [] : [`authentication ${authentication}`]),
    ...(posture === 0 ? [] : [`a posture of ${posture} %`]),
  ];
  return [`only with ${asked.join(" and ")}, or better`];
}

export function createdOutcome(
  installation: Installation,
  { chain, effective, warnings }: Created,
): Outcome {
  const [leaf] = chain;
  if (leaf === undefined) throw new RangeError("an empty chain");
  const link = summary(installation, leaf.grant, leaf.grant.maxUses);
  const scope = printScope(effective);
  const lines = [
    `Grant ${link.id}: ${link.to} may ${scope}`,
    `until ${new Date(link.endsMs).toISOString()}, while a heartbeat comes every ${durationText(link.heartbeatMs)}:`,
    `  sesame --as ${link.to} grant hold`,
    ...(link.commands ?? []).map((command) => `to run: ${command.join(" ")}`),
    ...minimumText(link),
    ...(scope === link.scope
      ? []
      : [`Of what was asked, the rest is not yours to give: ${link.scope}`]),
    ...warnings.map((warning) => `Note: ${warning}`),
  ];
  return {
    text: lines.map(printable).join("\n"),
    data: { ...link, effective: scope, warnings },
  };
}

/** Postures are the same for every connection: what is too low for one is for all. */
export function postureWarning(asked: Minimum, { posture }: Minimum): string[] {
  return posture >= asked.posture
    ? []
    : [`the posture is ${posture} % now; below ${asked.posture} % the grant cannot be used`];
}

/** Clearance is a matter of its own: what the delegatee's does not reach, no grant opens. */
export function warningsFor(to: Identity, scope: Scope): string[] {
  const rows = Object.values(MESSAGES).flatMap((row) => (row.form === "request" ? [row] : []));
  return [...new Set(scope.map(({ capability }) => capability))].flatMap((capability) => {
    const levels = rows.filter(({ needs }) => needs === capability).map(({ level }) => level);
    const least = levels.reduce<Level | null>(
      (low, level) => (low === null || levelRank(level) < levelRank(low) ? level : low),
      null,
    );
    return least === null || dominates(to.clearance, least)
      ? []
      : [
          `${to.name} is cleared for ${to.clearance} and cannot use ${capability}, which takes ${least}`,
        ];
  });
}
