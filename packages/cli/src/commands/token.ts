import { existsSync } from "node:fs";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import {
  createFile,
  isNamePattern,
  requireInstallation,
  tokenId,
  tokenText,
  type Installation,
  type Token,
} from "@sesame/core-ipc/daemon";
import { ENROLLED_KINDS, Fault, LEVELS, limits } from "@sesame/core-types";
import { rightsOf } from "../agents/rights.ts";
import { pathsOf, withBus, type Context } from "../context.ts";
import { durationMs } from "../duration.ts";
import { presentMembers } from "../io/members.ts";
import { print } from "../io/print.ts";
import { changeRecord, reloadRecord } from "../io/record.ts";
import { oneOf } from "../one-of.ts";
import { printable } from "../printable.ts";
import { table, type Outcome } from "../render.ts";

// Tokens by which identities come in without waiting for the operator. docs/ENROLMENT.md, Tokens.

export type TokenFlags = {
  readonly uses?: string;
  readonly ttl?: string;
  readonly kind?: string;
  readonly name?: string;
  readonly clearance?: string;
  readonly capabilities?: string;
  readonly more?: boolean;
  readonly out?: string;
};

/** Makes a token, and shows it once: the record has its public key and its limits only. */
export async function tokenCreate(context: Context, flags: TokenFlags): Promise<Outcome> {
  const { uses: count = "1", ttl = "24h", name: names = "*", more = false, out } = flags;
  const kind = oneOf(ENROLLED_KINDS, flags.kind ?? "ai", "--kind");
  const clearance = oneOf(LEVELS, flags.clearance ?? "internal", "--clearance");
  const uses = usesOf(count);
  const ttlMs = durationMs(ttl, "--ttl", limits.MAX_TOKEN_TTL_MS);
  const { capabilities } = rightsOf(kind, "", flags.capabilities ?? null, more);
  if (ttlMs === 0) throw new Fault("usage", "--ttl is at least 1s", "for example `--ttl 24h`");
  if (!isNamePattern(names))
    throw new Fault("usage", "--name is a name, or one with a `*` in it", "as in --name 'ci-*'");
  if (out !== undefined && existsSync(out))
    throw new Fault(
      "exists",
      `${printable(out)} exists already; nothing was made`,
      "move it away, or name another file",
    );
  const paths = pathsOf(context);
  const seed = suite.randomBytes(32);
  try {
    const key = suite.ed25519PublicKey(seed);
    const id = tokenId(key);
    const question = `Whoever has the token ${id} lets in, without asking anybody:
  how many: ${uses}, for ${ttl}
  as:       ${kind}, clearance ${clearance}, name ${names}
  may:      ${capabilities.join(" ") || "nothing yet"}
Password of the root key, to make it: `;
    let untilMs = 0;
    await withBus(context, async (bus) => {
      await changeRecord(paths, bus, question, ({ tokens }) => {
        const madeMs = Date.now();
        untilMs = madeMs + ttlMs;
        if (tokens.length >= limits.MAX_TOKENS) throw tooMany();
        if (tokens.some((token) => tokenId(token.key) === id)) throw again();
        const made = { key, kind, clearance, capabilities, names, uses, madeMs, untilMs };
        return { tokens: [...tokens, { ...made, admitted: [] }] };
      });
      await reloadRecord(bus);
    });
    const until = new Date(untilMs).toISOString();
    const data = { id, kind, clearance, capabilities, names, uses, until };
    const text = tokenText(suite, seed);
    if (out === undefined) {
      if (!context.json) print(2, `sesame: token ${id}, until ${until}; it is shown this once\n`);
      return { text, data: { token: text, ...data } };
    }
    if (!createFile(out, new TextEncoder().encode(`${text}\n`)))
      throw new Fault(
        "exists",
        `${printable(out)} exists already, so the token is lost`,
        `\`sesame agent token revoke ${id}\`, then make another one`,
      );
    return { text: `Token ${id} is in ${printable(out)}, until ${until}.`, data };
  } finally {
    seed.fill(0);
  }
}

export function tokenList(context: Context): Promise<Outcome> {
  return withBus(context, async (bus) => {
    const { tokens, identities } = await presentMembers(bus, pathsOf(context));
    const rows = tokens.map((token) => {
      const { kind, clearance, capabilities, names, uses, untilMs } = token;
      const left = uses - token.admitted.length;
      const until = new Date(untilMs).toISOString();
      const admitted = namesOf(identities, token);
      const state = Date.now() >= untilMs ? "lapsed" : left === 0 ? "spent" : "valid";
      const id = tokenId(token.key);
      return { id, state, left, uses, until, names, kind, clearance, capabilities, admitted };
    });
    const cells = rows.map((row) => [
      row.id,
      row.state,
      `${row.left} of ${row.uses}`,
      row.until,
      row.names,
      row.kind,
      row.clearance,
      row.capabilities.join(" "),
      row.admitted.join(" "),
    ]);
    const heads = [
      "TOKEN",
      "STATE",
      "LEFT",
      "UNTIL",
      "NAMES",
      "KIND",
      "CLEARANCE",
      "MAY",
      "LET IN",
    ];
    return { text: table(heads, cells), data: { tokens: rows } };
  });
}

/** Safe to run again. Whom the token let in stays. */
export async function tokenRevoke(context: Context, id: string): Promise<Outcome> {
  const paths = pathsOf(context);
  return withBus(context, async (bus) => {
    const isIt = (token: Token): boolean => tokenId(token.key) === id;
    const changed = requireInstallation(suite, paths).tokens.some(isIt);
    let stay: readonly string[] = [];
    if (changed) {
      const question = `Password of the root key, to revoke token ${printable(id)}: `;
      await changeRecord(paths, bus, question, ({ identities, tokens }) => {
        stay = tokens.filter(isIt).flatMap((token) => namesOf(identities, token));
        return { tokens: tokens.filter((token) => !isIt(token)) };
      });
    }
    await reloadRecord(bus);
    const text = !changed
      ? `There is no token ${printable(id)}; nothing was changed.`
      : stay.length === 0
        ? `Token ${id} is revoked.`
        : `Token ${id} is revoked. It let in, and these stay: ${stay.join(" ")}`;
    return { text, data: { id, changed, stay } };
  });
}

/** Of those who came in by a token and belong still. */
function namesOf(identities: Installation["identities"], { admitted }: Token): string[] {
  return identities.filter(({ id }) => admitted.includes(id)).map(({ name }) => name);
}

function usesOf(text: string): number {
  const uses = Number(text);
  if (Number.isSafeInteger(uses) && uses >= 1 && uses <= limits.MAX_TOKEN_USES) return uses;
  throw new Fault("usage", `--uses is a number from 1 to ${limits.MAX_TOKEN_USES}`, "`--uses 1`");
}

function tooMany(): Fault {
  return new Fault(
    "try-later",
    `there are ${limits.MAX_TOKENS} tokens already`,
    "`sesame agent token list`, then `sesame agent token revoke` those that are spent",
  );
}

function again(): Fault {
  return new Fault("try-later", "its id is that of another token", "run the command again");
}
