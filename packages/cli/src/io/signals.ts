import { nodeSuite as suite } from "@sesame/core-crypto/node";
import {
  Conducts,
  LOOK_BACK,
  measure,
  nodeFiles,
  scoreOf,
  tailAudit,
  verifyAudit,
  type Conduct,
  type Finding,
  type Measures,
  type Score,
  type WatchOptions,
} from "@sesame/core-audit";
import { declaredBy, requireInstallation } from "@sesame/core-ipc/daemon";
import type { Authentication } from "@sesame/core-types";
import { logOwner } from "../commands/audit.ts";
import { pathsOf, type Context } from "../context.ts";
import { withLog, type LogSource } from "./audit-log.ts";

export type Signals = Score & {
  readonly measures: Measures;
  readonly conduct: Conduct;
  readonly findings: readonly Finding[];
};

/** What the signed record says to a watch. */
export function recordFor(context: Context): WatchOptions {
  const { identities } = requireInstallation(suite, pathsOf(context));
  const byName = new Map(identities.map((identity) => [identity.name, identity]));
  return {
    declared: (name) => {
      const identity = byName.get(name);
      return identity === undefined ? null : declaredBy(identity);
    },
    isHuman: (name) => byName.get(name)?.kind === "human",
  };
}

/** What the log says about an identity, from the first entry that is looked at. */
export async function signalsOf(
  context: Context,
  name: string,
  proofs: readonly Authentication[],
): Promise<Signals> {
  return withLog(context, (log) => signalsIn(context, name, proofs, log));
}

async function signalsIn(
  context: Context,
  name: string,
  proofs: readonly Authentication[],
  source: LogSource,
): Promise<Signals> {
  const { audit } = pathsOf(context);
  const { files = nodeFiles(audit) } = source;
  const report = await verifyAudit(audit, { suite, ...logOwner(context), anchors: [], files });
  const conducts = new Conducts(recordFor(context));
  const findings: Finding[] = [];
  const nowMs = Date.now();
  if (report.ok)
    for await (const entry of tailAudit(audit, { count: LOOK_BACK, files }))
      findings.push(...conducts.take(entry).filter(({ who }) => who === name));
  const conduct = conducts.of(name, nowMs);
  const log = report.ok ? (report.gaps.length > 0 ? "torn" : "whole") : "changed";
  const measures = measure({ conduct, findings, proofs, log, nowMs });
  return { ...scoreOf(measures), measures, conduct, findings };
}
