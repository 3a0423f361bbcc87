import { FACTORS, type FactorName } from "@sesame/core-audit";
import {
  AUTHENTICATIONS,
  EXPOSURES,
  isIdentityName,
  Denial,
  type IdentityKind,
  type Result,
  type Trust,
} from "@sesame/core-types";
import { withBus, type Context } from "../context.ts";
import { signalsOf, type Signals } from "../io/signals.ts";
import { table, type Outcome } from "../render.ts";

type Daemons = Result<"trust.own">["daemons"];

/** One factor of a trust vector, and what it rests on. */
type Factor = { readonly factor: string; readonly value: string; readonly why: string };

/** What the bus tells owners of a connection: of this one, or of all of an identity. */
export function trustShow(context: Context, name: string | undefined): Promise<Outcome> {
  if (name !== undefined && !isIdentityName(name))
    throw new Denial("name-invalid", "name of an identity");
  return withBus(context, async (bus) => {
    if (name === undefined) {
      const { trust, daemons } = await bus.call("trust.own", {});
      const { kind } = bus.welcome;
      const factors = factorsOf(trust, kind, daemons, Date.now());
      return {
        text: tableOf(factors),
        data: { name: bus.welcome.name, kind, trust, daemons, factors },
      };
    }
    const { kind, connections, daemons } = await bus.call("trust.show", { name });
    const shown = connections.map(({ pid, trust }) => {
      const factors = factorsOf(trust, kind, daemons, Date.now());
      return { pid, trust, factors };
    });
    const text = shown.map(({ pid, factors }) => `${name}, process ${pid}\n${tableOf(factors)}`);
    const proofs = connections.map(({ trust }) => trust.authentication);
    const signals = await signalsOf(context, name, proofs);
    return {
      text: [
        ...(shown.length === 0 ? [`${name} is not connected.`] : text),
        scoreText(name, signals),
      ].join("\n\n"),
      data: { name, kind, connections: shown, daemons, ...signals },
    };
  });
}

function factorsOf(
  trust: Trust,
  kind: IdentityKind | null,
  daemons: Daemons,
  nowMs: number,
): Factor[] {
  const { authentication, exposure, posture, authorizedAt, delegation } = trust;
  const age = Math.max(0, Math.round(nowMs / 1_000) - authorizedAt);
  const each = daemons.map(
    (daemon) => `${daemon.name} ${daemon.posture === null ? "unknown" : percent(daemon.posture)}`,
  );
  return [
    { factor: "authentication", value: authentication, why: AUTHENTICATIONS[authentication] },
    {
      factor: "authorization",
      value: authorizedAt === 0 ? "never" : `${age} s ago`,
      why:
        authorizedAt === 0
          ? "its key is not in the signed record"
          : "its key was found in the signed record then",
    },
    { factor: "posture", value: percent(posture), why: `the least of ${each.join(", ")}` },
    {
      factor: "delegation",
      value: delegation === 0 ? "none" : `${delegation} deep`,
      why:
        delegation === 0
          ? "no living grant is given to it"
          : "grants of the longest living chain that ends with it",
    },
    { factor: "exposure", value: exposure, why: EXPOSURES[exposure] },
    {
      factor: "agent type",
      value: kind ?? "unregistered",
      why: kind === null ? "nobody has let it in" : "the signed record says so",
    },
  ];
}

/** Findings that are shown; `--json` has all. */
const SHOWN = 10;

function scoreText(name: string, { score, confidence, measures, findings }: Signals): string {
  const rows = Object.entries(FACTORS).map(([factor, { weight, meaning }]) => {
    const value = measures[factor as FactorName];
    return [factor, String(weight), value === null ? "-" : value.toFixed(2), meaning];
  });
  const lines = findings
    .slice(-SHOWN)
    .map(({ severity, rule, what, seq }) => [severity, rule, what, `entry ${seq}`]);
  return [
    `${name}: score ${score} of 100, resting on ${confidence} % of the evidence; it is advice`,
    table(["FACTOR", "WEIGHT", "VALUE", "MEANING"], rows),
    ...(lines.length === 0 ? [] : ["", table(["SEVERITY", "RULE", "WHAT", "WHERE"], lines)]),
  ].join("\n");
}

function tableOf(factors: readonly Factor[]): string {
  return table(
    ["FACTOR", "VALUE", "WHY"],
    factors.map(({ factor, value, why }) => [factor, value, why]),
  );
}

function percent(value: number): string {
  return `${value} %`;
}
