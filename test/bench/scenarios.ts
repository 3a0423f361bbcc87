import { scenario, type Scenario } from "./scenario.ts";
import { grantCheck, grantsHeld } from "./scenarios/authority.ts";
import { auditAppend, auditVerify } from "./scenarios/audit.ts";
import { env, secretGet } from "./scenarios/command.ts";
import { confinement } from "./scenarios/confinement.ts";
import { connections } from "./scenarios/connections.ts";
import { handshake } from "./scenarios/handshake.ts";
import { roundTrip } from "./scenarios/round-trip.ts";
import { fanOut, oneWay } from "./scenarios/stream.ts";
import { unlock, vault } from "./scenarios/vault.ts";

const microseconds = { unit: "us", better: "lower" } as const;
const milliseconds = { unit: "ms", better: "lower" } as const;
const perSecond = { unit: "/s", better: "higher" } as const;

/** Everything that is measured, with what is demanded of it. */
export const SCENARIOS: readonly Scenario[] = [
  scenario(
    "round-trip",
    {
      "256 B, p50": { ...microseconds, target: { ratio: 1.5 } },
      "256 B, p99": microseconds,
      "256 B, p50 to echo": microseconds,
      "4 KiB, p50": microseconds,
      "4 KiB, p99": microseconds,
      "4 KiB, p50 to echo": microseconds,
    },
    roundTrip,
  ),
  scenario(
    "one-way",
    {
      "256 B": { ...perSecond, target: { ratio: 0.55 } },
      "256 B, warm": perSecond,
      "4 KiB": perSecond,
    },
    oneWay,
  ),
  scenario("fan-out", { "256 B, 1 to 10": { ...perSecond, target: { value: 150_000 } } }, fanOut),
  scenario(
    "handshake",
    { "connect to first answer": { ...milliseconds, target: { value: 2 } } },
    handshake,
  ),
  scenario("secret-get", { "secret get": { ...milliseconds, target: { ratio: 1.6 } } }, secretGet),
  scenario(
    "env",
    {
      "env, 1 secret": milliseconds,
      "env, 100 secrets": { ...milliseconds, target: { ratio: 1.1 } },
    },
    env,
  ),
  scenario("audit-append", { "256 at once": { ...perSecond, target: { ratio: 20 } } }, auditAppend),
  scenario(
    "audit-verify",
    { "whole log": { ...perSecond, target: { value: 300_000 } } },
    auditVerify,
  ),
  scenario(
    "unlock",
    {
      unlock: milliseconds,
      "share of Argon2id": { unit: "%", better: "higher", target: { value: 90 } },
    },
    unlock,
  ),
  scenario(
    "vault",
    {
      "set, one at a time": perSecond,
      "set, 32 at once": perSecond,
      "get, one at a time": perSecond,
      "get, 32 at once": perSecond,
    },
    vault,
  ),
  scenario(
    "grant-check",
    {
      "check, 1 000 held": { ...microseconds, target: { ratio: 1.5 } },
      "check, 10 000 held": { ...microseconds, target: { ratio: 1.5 } },
      "check, 10 000 held, one caller": { ...microseconds, target: { ratio: 1.5 } },
    },
    grantCheck,
  ),
  scenario(
    "grants-held",
    {
      "issue, 64 at once": perSecond,
      "memory of daemon-secrets": { unit: "MB", better: "lower" },
      "memory of daemon-profile": { unit: "MB", better: "lower" },
      "CPU of daemon-secrets for heartbeats": { unit: "%", better: "lower" },
      "CPU of daemon-profile for heartbeats": { unit: "%", better: "lower" },
    },
    grantsHeld,
  ),
  scenario(
    "confinement",
    {
      "start-up": milliseconds,
      "256 B through a socket": microseconds,
      "memory of daemon-profile": { unit: "MB", better: "lower" },
      "memory of daemon-secrets": { unit: "MB", better: "lower" },
    },
    confinement,
  ),
  // Last: it restarts the daemons, which locks the vaults.
  scenario(
    "connections",
    { "1000 idle, above base": { unit: "MB", better: "lower", target: { value: 30 } } },
    connections,
  ),
];
