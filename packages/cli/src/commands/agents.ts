import { randomUUID } from "node:crypto";
import { isatty } from "node:tty";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import type { BusClient } from "@sesame/core-ipc/client";
import {
  admitted,
  fingerprintOf,
  fingerprintWords,
  inState,
  replacedBy,
  tokenId,
  without,
  type Applicant,
  type Paths,
  type Token,
} from "@sesame/core-ipc/daemon";
import {
  Denial,
  Fault,
  isIdentityName,
  isReservedName,
  toHex,
  type Enrolment,
  type Identity,
  type IdentityState,
} from "@sesame/core-types";
import { rightsOf, type Rights } from "../agents/rights.ts";
import { pathsOf, withBus, type Context } from "../context.ts";
import { findIdentity } from "../agents/find.ts";
import { presentMembers } from "../io/members.ts";
import { changeRecord, reloadRecord } from "../io/record.ts";
import { printable } from "../printable.ts";
import { table, type Outcome } from "../render.ts";

// What the operator runs about those who are, or want to be, somebody.

export function agentList(context: Context): Promise<Outcome> {
  return withBus(context, async (bus) => {
    const { pending } = await bus.call("agent.list", {});
    const { blocks } = await bus.call("block.list", {});
    const blocked = new Set(blocks.map(({ subject }) => subject));
    const isBlocked = ({ id, noiseKey, former }: Identity): boolean =>
      [id, ...[{ noiseKey }, ...former].map((keys) => toHex(keys.noiseKey))].some((one) =>
        blocked.has(one),
      );
    const { identities } = await presentMembers(bus, pathsOf(context));
    const rows = [
      ...identities.map((identity) => ({
        state: isBlocked(identity) ? "blocked" : stateOf(identity),
        about: identity,
      })),
      ...pending.map(({ enrolment }) => ({
        state: replacedBy(identities, enrolment) === null ? "pending" : "replacement",
        about: enrolment,
      })),
    ].map(({ state, about }) => {
      const { name, kind, clearance } = about;
      return { name, kind, clearance, state, fingerprint: fingerprintOf(suite, about) };
    });
    const cells = rows.map((row) => Object.values(row));
    return {
      text: table(["NAME", "KIND", "CLEARANCE", "STATE", "FINGERPRINT"], cells),
      data: { agents: rows },
    };
  });
}

/** All that is known of one identity or applicant. */
export function agentShow(context: Context, name: string): Promise<Outcome> {
  return withBus(context, async (bus) => {
    const { identities, tokens } = await presentMembers(bus, pathsOf(context));
    const known = identities.find((identity) => identity.name === name);
    if (known !== undefined) {
      const { id, capabilities, enrolledMs, keyedMs } = known;
      const [enrolled, keyed] = [enrolledMs, keyedMs].map(dateOf);
      const former = known.former.map(
        ({ noiseKey, untilMs }) =>
          `${toHex(noiseKey)} ${untilMs === 0 ? "ended" : `until ${dateOf(untilMs)}`}`,
      );
      const token = tokens.find((one) => one.admitted.includes(id));
      const by = token === undefined ? {} : { token: tokenId(token.key) };
      const more = { id, capabilities, enrolled, ...by, keyed, former };
      return shown({ ...common(known, stateOf(known)), ...more });
    }
    const { pending } = await bus.call("agent.list", {});
    const applicant = pending.find(({ enrolment }) => enrolment.name === name);
    if (applicant === undefined) throw new Denial("not-waiting", name);
    const { enrolment, evidence, untilMs } = applicant;
    return shown({ ...common(enrolment, "pending"), until: dateOf(untilMs), ...evidence });
  });
}

export type ApproveFlags = {
  readonly fingerprint?: string;
  readonly capabilities?: string;
  readonly more?: boolean;
};

/** Safe to run again: a change that was signed and not taken over by the daemons is then. */
export function agentApprove(
  context: Context,
  name: string,
  { fingerprint: expected, capabilities: given, more = false }: ApproveFlags,
): Promise<Outcome> {
  const paths = pathsOf(context);
  return withBus(context, async (bus) => {
    const { pending } = await bus.call("agent.list", {});
    const wanted = pending.find(({ enrolment }) => enrolment.name === name)?.enrolment;
    const { identities } = await presentMembers(bus, paths);
    const known = identities.find((one) => one.name === name);
    const former =
      wanted === undefined ? null : replacedBy(known === undefined ? [] : [known], wanted);
    const about = former === null ? (known ?? wanted) : wanted;
    if (about === undefined) throw new Denial("not-waiting", name);
    const fingerprint = fingerprintOf(suite, about);
    const compact = (text: string): string => text.toLowerCase().replaceAll(/[\s-]/g, "");
    if (
      expected !== undefined &&
      ![fingerprint, fingerprintWords(suite, about)].map(compact).includes(compact(expected))
    )
      throw new Fault(
        "denied",
        `${name} has another fingerprint: ${fingerprint}`,
        "somebody else asks under this name; `sesame agent reject` it",
      );
    if (former !== null && expected === undefined && !isatty(0))
      throw new Fault(
        "usage",
        `this replaces ${name}, and nobody is at a terminal to compare the fingerprints`,
        `ask its holder for the new one, and add it: --fingerprint …`,
      );
    if (wanted !== undefined && (known === undefined || former !== null)) {
      const rights = rightsOf(wanted.kind, wanted.wants, given ?? null, more);
      await admit(paths, bus, wanted, rights, former);
      await reloadRecord(bus);
      return {
        text: [
          `${name} is registered: ${wanted.kind}, clearance ${wanted.clearance}.`,
          ...(former === null ? [] : ["The identity that had the name before is revoked."]),
          `It may: ${rights.capabilities.join(" ") || "nothing yet"}`,
          ...(rights.left === ""
            ? []
            : [`It asked for more, which it did not get: ${rights.left}`]),
        ].join("\n"),
        data: { name, fingerprint, changed: true, replaced: former !== null, ...rights },
      };
    }
    await reloadRecord(bus);
    const data = { name, fingerprint, changed: false };
    return { text: `${name} is registered already.`, data };
  });
}

export function agentReject(context: Context, name: string): Promise<Outcome> {
  if (!isIdentityName(name)) throw new Denial("name-invalid", "name of an identity");
  return withBus(context, async (bus) => {
    await bus.call("agent.reject", { name });
    return { text: `${name} waits no longer.`, data: { name } };
  });
}

/** Ends an identity. */
export function agentRevoke(context: Context, name: string): Promise<Outcome> {
  return changed(context, name, {
    question: `Password of the root key, to revoke ${name}: `,
    applies: () => true,
    change: (present) => without(present, name),
    done: `${name} is revoked.`,
    idle: `There is no identity ${name}; nothing was changed.`,
    absent: "idle",
  });
}

/** Takes an identity's rights away; it keeps its name, and may have them back. */
export function agentSuspend(context: Context, name: string): Promise<Outcome> {
  return setState(context, name, "suspended", "suspend");
}

export function agentResume(context: Context, name: string): Promise<Outcome> {
  return setState(context, name, "active", "resume");
}

function setState(
  context: Context,
  name: string,
  state: IdentityState,
  verb: string,
): Promise<Outcome> {
  const word = state === "active" ? "active" : "suspended";
  return changed(context, name, {
    question: `Password of the root key, to ${verb} ${name}: `,
    applies: (identity) => identity.state !== state,
    change: (present) => inState(present, name, state),
    done: `${name} is ${word}.`,
    idle: `${name} is ${word} already; nothing was changed.`,
    absent: "refused",
  });
}

type Change = {
  readonly question: string;
  /** False if there is nothing to change. */
  readonly applies: (identity: Identity) => boolean;
  readonly change: (present: readonly Identity[]) => readonly Identity[];
  readonly done: string;
  readonly idle: string;
  /** What it means that there is no such identity. */
  readonly absent: "idle" | "refused";
};

/** Safe to run again, as approving is. */
function changed(context: Context, name: string, about: Change): Promise<Outcome> {
  if (isReservedName(name))
    throw new Fault("usage", `${name} belongs to every installation`, "name somebody else");
  const paths = pathsOf(context);
  return withBus(context, async (bus) => {
    const { identities, tokens } = await presentMembers(bus, paths);
    const found =
      about.absent === "refused"
        ? findIdentity(identities, name)
        : identities.find((identity) => identity.name === name);
    const applies = found !== undefined && about.applies(found);
    if (applies)
      await changeRecord(paths, bus, about.question, (present) => ({
        identities: about.change(present.identities),
      }));
    await reloadRecord(bus);
    const token = found === undefined ? undefined : openToken(tokens, found);
    const text = applies ? about.done : about.idle;
    return {
      text: token === undefined ? text : `${text}\nIts token lets in others: ${token}`,
      data: { name, changed: applies },
    };
  });
}

/** The token by which somebody came in, if it may let in more. */
function openToken(tokens: readonly Token[], { id }: Identity): string | undefined {
  const isOpen = ({ admitted: ids, uses, untilMs }: Token): boolean =>
    ids.includes(id) && ids.length < uses && Date.now() < untilMs;
  return tokens.filter(isOpen).map(({ key }) => tokenId(key))[0];
}

async function admit(
  paths: Paths,
  bus: BusClient,
  wanted: Enrolment,
  rights: Rights,
  former: Identity | null,
): Promise<void> {
  const { name, kind, clearance, wants } = wanted;
  const { capabilities, left } = rights;
  const question = [
    ...(former === null
      ? []
      : [
          `This REPLACES ${name}, whose keys are said to be lost. Whoever has them loses all rights:`,
          `the former has the fingerprint ${fingerprintOf(suite, former)}`,
        ]),
    `${name} (${kind}, ${clearance}) has the fingerprint ${fingerprintOf(suite, wanted)}`,
    `in words:    ${fingerprintWords(suite, wanted)}`,
    `it wants:    ${wants === "" ? "what its kind gets" : printable(wants)}`,
    `it will get: ${capabilities.join(" ") || "nothing yet"}${left === "" ? "" : `; not: ${left}`}`,
    "Password of the root key, to let it in: ",
  ].join("\n");
  const enrolledMs = Date.now();
  await changeRecord(paths, bus, question, ({ identities }) => ({
    identities: admitted(withoutId(identities, former), {
      ...wanted,
      id: randomUUID(),
      state: "active",
      enrolledMs,
      capabilities,
      keyedMs: enrolledMs,
      former: [],
    }),
  }));
}

/** The one that was shown, and no other of its name. */
function withoutId(present: readonly Identity[], former: Identity | null): readonly Identity[] {
  return present.filter(({ id }) => id !== former?.id);
}

/** A state as people see it: "registered" stands beside "pending" and "suspended". */
function stateOf({ state }: Identity): string {
  return state === "active" ? "registered" : state;
}

function common(about: Applicant, state: string) {
  const { name, kind, clearance, wants, noiseKey, sealingKey, signingKey } = about;
  return {
    name,
    state,
    kind,
    clearance,
    wants,
    fingerprint: fingerprintOf(suite, about),
    words: fingerprintWords(suite, about),
    noiseKey: toHex(noiseKey),
    sealingKey: toHex(sealingKey),
    signingKey: toHex(signingKey),
  };
}

function dateOf(ms: number): string {
  return new Date(ms).toISOString();
}

/** One line for each fact that there is. */
function shown(data: Readonly<Record<string, unknown>>): Outcome {
  const facts = Object.entries(data)
    .map(([fact, value]) => [fact, Array.isArray(value) ? value.join(" ") : String(value ?? "")])
    .filter(([, value]) => value !== "");
  return { text: table(["FACT", "VALUE"], facts), data };
}
