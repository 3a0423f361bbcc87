import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { randomUUID } from "node:crypto";
import fc from "fast-check";
import { draftGrant, parseScope, signGrant, VERBS, type Verb } from "@sesame/core-authority";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import {
  CAPABILITIES,
  Denial,
  IDENTITY_KINDS,
  LEVELS,
  levelRank,
  messageByTag,
  NO_TRUST,
  MESSAGES,
  NAMED_CAPABILITIES,
  subjectOf,
  type Identity,
  type RequestName,
  type Subject,
} from "@sesame/core-types";
import { arbitraryOf } from "../../../../test/helpers/arbitrary.ts";
import { GrantKeeper } from "../io/grant-keeper.ts";
import { identity } from "../testing/pair.ts";
import { admit, type Asked, type Request } from "./gate.ts";

// Every kind, for every kind of identity, with every capability: by enrolment, by a grant, and by a
// grant that is limited to some names. What is right is said here once more, in few words.

const folder = mkdtempSync(join(tmpdir(), "sesame-matrix-"));
const seed = new Uint8Array(new ArrayBuffer(32)).fill(3);
const wallMs = 1_763_000_000_000;

const member = (name: string, changes: Partial<Identity>): Identity => ({
  ...identity(name, { clearance: "secrets-only" }),
  id: randomUUID(),
  ...changes,
});
const operator = member("operator", {
  kind: "human",
  capabilities: ["admin"],
  signingKey: suite.ed25519PublicKey(seed),
});
const plain = IDENTITY_KINDS.map((kind) => member(`a-${kind}`, { kind }));
/** For each kind of identity and each right one that was given this right and no other. */
const given = new Map<string, Identity>();
for (const kind of IDENTITY_KINDS)
  for (const verb of VERBS)
    for (const limited of [false, true])
      given.set(`${kind} ${verb} ${limited}`, member(`${kind}-${verb}-${limited}`, { kind }));
const installation = {
  id: randomUUID(),
  rootKey: new Uint8Array(32),
  serial: 1,
  identities: [operator, ...plain, ...given.values()],
  tokens: [],
};
const keeper = new GrantKeeper({
  path: join(folder, "grants.state"),
  suite,
  own: operator,
  installation,
  now: () => ({ wallMs, bootMs: 1_000 }),
  bootId: "one",
  log: () => undefined,
  posture: 0,
  programOf: () => Promise.resolve(null),
  audit: () => Promise.resolve(),
  ended: () => undefined,
});

after(async () => {
  await keeper.close();
  rmSync(folder, { recursive: true });
});

async function give(to: Identity, scope: string): Promise<void> {
  const terms = {
    installation: installation.id,
    delegator: operator.id,
    delegatee: to.id,
    kind: to.kind,
    parent: null,
    scope: parseScope(scope),
  };
  const draft = draftGrant(terms, { wallMs, random: (length) => suite.randomBytes(length) });
  const signed = signGrant(draft, (message) => suite.ed25519Sign(seed, message));
  await keeper.issue([signed], operator);
}

const kinds = (Object.keys(MESSAGES) as (keyof typeof MESSAGES)[]).filter(
  (kind): kind is RequestName => MESSAGES[kind].form === "request",
);
const isNamed = (verb: Verb): boolean => NAMED_CAPABILITIES.some((named) => named === verb);

function subjects(kind: RequestName): Subject[] {
  const row = MESSAGES[kind];
  const samples = fc.sample(arbitraryOf(row.params), { numRuns: 3, seed: 7 });
  const found = samples.map((params: unknown) => subjectOf(row, params));
  const some = found[0] ?? { profile: null, names: null };
  return some.names === null ? [some] : [...found, { ...some, names: ["ci/token"] }];
}

async function isAdmitted(
  kind: RequestName,
  from: Identity | null,
  about: Subject,
): Promise<boolean> {
  const row = messageByTag(MESSAGES[kind].tag) as Request;
  const session = new Uint8Array(16);
  const asked: Asked = { row, identity: from, session, trust: NO_TRUST, about: () => about };
  try {
    await admit({ grants: keeper }, asked);
    return true;
  } catch (cause) {
    assert.ok(cause instanceof Denial, String(cause));
    assert.ok(["clearance-too-low", "capability-missing"].includes(cause.code));
    assert.equal(cause.detail, "");
    return false;
  }
}

/** Every identity by enrolment: each kind, with each clearance, with each capability or none. */
const enrolled = plain.flatMap((one) =>
  LEVELS.flatMap((clearance) =>
    [null, ...CAPABILITIES].map((capability) => ({
      capability,
      from: { ...one, clearance, capabilities: capability === null ? [] : [capability] },
    })),
  ),
);

test("[OWNER-1] every kind, for every identity kind, clearance and enrolled capability", async () => {
  // SECURITY: one pair that is wrong is a right that nobody gave.
  let allowed = 0;
  for (const kind of kinds) {
    const { needs, level, byGrant } = MESSAGES[kind];
    const [about] = subjects(kind);
    assert.ok(about !== undefined);
    assert.equal(await isAdmitted(kind, null, about), level === "open" && needs === null, kind);
    for (const { capability, from } of enrolled) {
      const isAble =
        needs === null ||
        (needs === "daemon"
          ? from.kind === "daemon"
          : !byGrant && (capability === needs || capability === "admin"));
      const right = isAble && levelRank(from.clearance) >= levelRank(level);
      const what = `${kind} for ${from.name}, ${from.clearance}, ${capability}`;
      assert.equal(await isAdmitted(kind, from, about), right, what);
      if (right) allowed++;
    }
  }
  assert.ok(allowed > 1_000);
});

test("[AUTH-3] every kind, for every identity kind and every right that was granted", async () => {
  // SECURITY: as above; here the right is somebody's to give, and may be for some names alone.
  for (const kind of IDENTITY_KINDS)
    for (const verb of VERBS)
      for (const limited of [false, true]) {
        if (limited && !isNamed(verb)) continue;
        const to = given.get(`${kind} ${verb} ${limited}`);
        assert.ok(to !== undefined);
        await give(to, limited ? `${verb}:ci/*` : verb);
      }
  let [allowed, refused] = [0, 0];
  for (const kind of kinds)
    for (const about of subjects(kind))
      for (const [key, from] of given) {
        const [, verb, limited] = key.split(" ");
        const { needs } = MESSAGES[kind];
        const { names } = about;
        const inside =
          names === "reachable" || (names?.every((name) => /^ci\/[^/]+$/.test(name)) ?? false);
        const right =
          needs === null ||
          (needs === "daemon"
            ? from.kind === "daemon"
            : limited === "false"
              ? verb === needs || verb === "admin"
              : verb === needs && inside);
        assert.equal(await isAdmitted(kind, from, about), right, `${kind} for ${key}`);
        if (right) allowed++;
        else refused++;
      }
  assert.ok(allowed > 100 && refused > 1_000);
});
