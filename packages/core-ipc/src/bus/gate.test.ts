import assert from "node:assert/strict";
import { test } from "node:test";
import {
  Denial,
  messageByTag,
  MESSAGES,
  NO_TRUST,
  type Identity,
  type RequestName,
  type Subject,
} from "@sesame/core-types";
import { identity } from "../testing/pair.ts";
import {
  admit,
  CONDITIONS,
  Refusal,
  type Asked,
  type GateOptions,
  type Permit,
  type Request,
} from "./gate.ts";

const session = new Uint8Array(16);
const reader = identity("reader", { clearance: "secrets-only", capabilities: ["secret-read"] });
const other = identity("other", { clearance: "secrets-only" });

function asked(kind: RequestName, from: Identity | null): Asked {
  const row = messageByTag(MESSAGES[kind].tag) as Request;
  const about = (): Subject => ({ profile: "work", names: ["a"] });
  return { row, identity: from, session, trust: NO_TRUST, about };
}

/** A gate whose every answer is yes, and the questions that it was asked. */
function open(no?: string): { readonly options: GateOptions; readonly questions: string[] } {
  const questions: string[] = [];
  const condition = (name: string) => () => {
    questions.push(name);
    if (name === no) throw new Denial("busy", name);
  };
  const permit: Permit = {
    covers: (name) => name === "a",
    narrow: () => undefined,
    drawn: () => [],
    use: () => Promise.resolve(["g"]),
  };
  const options: GateOptions = {
    grants: {
      permit: () => {
        questions.push("grants");
        return no === "grants" ? "expired" : permit;
      },
    },
    approval: condition("approval"),
    policy: condition("policy"),
    rate: condition("rate"),
  };
  return { options, questions };
}

test("[OWNER-5] the questions are asked in their order, and the first no ends them", async () => {
  // SECURITY: asking for approval before the right is known shows the operator calls of anybody.
  for (const no of [undefined, "rate", "grants", ...CONDITIONS]) {
    const { options, questions } = open(no);
    const order = ["rate", "grants", ...CONDITIONS];
    const attempt = admit(options, asked("secret.get", other));
    if (no === undefined) await attempt;
    else await assert.rejects(attempt, Denial);
    assert.deepEqual(questions, no === undefined ? order : order.slice(0, order.indexOf(no) + 1));
  }
});

test("[OWNER-5] clearance comes first, and no grant raises it", async () => {
  // SECURITY: a grant would otherwise bring values to whom the operator has not cleared.
  for (const from of [identity("low"), null]) {
    const { options, questions } = open();
    await assert.rejects(admit(options, asked("secret.get", from)), { code: "clearance-too-low" });
    assert.deepEqual(questions, from === null ? [] : ["rate"]);
  }
});

test("[BLOCK-4] who is blocked while somebody is asked gets nothing either", async () => {
  // SECURITY: a call that waits for its conditions would outlive the block of its caller.
  for (const when of ["grants", ...CONDITIONS]) {
    let isBlocked = false;
    const { options } = open();
    const answer = (name: string) => async (): Promise<void> => {
      await Promise.resolve();
      isBlocked ||= name === when;
    };
    const gate: GateOptions = {
      ...options,
      ...Object.fromEntries(CONDITIONS.map((name) => [name, answer(name)])),
      grants: {
        permit: async (...given) => {
          await answer("grants")();
          return options.grants?.permit(...given) ?? null;
        },
      },
      blocked: () => isBlocked,
    };
    await assert.rejects(admit(gate, asked("secret.get", other)), (cause) => {
      assert.ok(cause instanceof Refusal);
      assert.deepEqual([cause.code, cause.reason], ["clearance-too-low", "blocked"]);
      return true;
    });
  }
});

test("[PANIC-1] a panic that begins while somebody is asked ends the call", async () => {
  // SECURITY: a call that waits for its approval would get past the panic.
  for (const when of CONDITIONS) {
    let isPanic = false;
    const { options } = open();
    const begin = (): void => {
      isPanic = true;
    };
    const gate: GateOptions = { ...options, [when]: begin, panic: () => isPanic };
    await assert.rejects(admit(gate, asked("secret.get", other)), { code: "panic" });
  }
});

test("[OWNER-5] who is enrolled for it needs no grant, and passes the conditions all the same", async () => {
  const { options, questions } = open();
  const permit = await admit(options, asked("secret.get", reader));
  assert.deepEqual(questions, ["rate", ...CONDITIONS]);
  assert.deepEqual(await permit.use(), []);
  assert.ok(permit.covers("anything"));
});

test("[OWNER-6] what a grant allows is limited to what it covers", async () => {
  const { options } = open();
  const permit = await admit(options, asked("secret.fetch", other));
  assert.deepEqual([permit.covers("a"), permit.covers("b")], [true, false]);
  assert.deepEqual(await permit.use(), ["g"]);
});

test("[OWNER-2] why a grant does not allow it is in the refusal, and not on the wire", async () => {
  const { options } = open("grants");
  await assert.rejects(admit(options, asked("secret.get", other)), (cause) => {
    assert.ok(cause instanceof Refusal);
    assert.deepEqual(
      [cause.code, cause.detail, cause.reason],
      ["capability-missing", "", "expired"],
    );
    return true;
  });
});

test("[OWNER-1] no grant makes a caller a daemon", async () => {
  // SECURITY: records of the audit log could be made up by whoever holds a grant.
  const { options, questions } = open();
  await assert.rejects(admit(options, asked("audit.append", other)), {
    code: "capability-missing",
  });
  assert.deepEqual(questions, ["rate"]);
});

test("[PANIC-1] while a panic holds, only what is marked passes, for anybody", async () => {
  // SECURITY: one kind that slips through hands out what the operator locked in a hurry.
  const operator = identity("boss", { clearance: "secrets-only", capabilities: ["admin"] });
  const daemon = identity("worker", { kind: "daemon", clearance: "secrets-only" });
  const permit: Permit = {
    covers: () => true,
    narrow: () => undefined,
    drawn: () => [],
    use: () => Promise.resolve([]),
  };
  const grants = { permit: () => permit };
  for (const kind of Object.keys(MESSAGES) as RequestName[]) {
    const row = messageByTag(MESSAGES[kind].tag);
    if (row?.form !== "request" || row.owner === "*") continue;
    const from = row.needs === "daemon" ? daemon : operator;
    const attempt = admit({ grants, panic: () => true }, asked(kind, from));
    if (row.inPanic) await attempt;
    else await assert.rejects(attempt, { code: "panic" }, kind);
    await admit({ grants, panic: () => false }, asked(kind, from));
  }
  for (const kind of ["secret.get", "vault.unlock", "vault.create", "profile.activate"] as const)
    assert.equal(MESSAGES[kind].inPanic, false);
  await assert.rejects(admit({ panic: () => true }, asked("agent.enroll", null)), {
    code: "panic",
  });
  // Who may not anyway learns no more than before.
  await assert.rejects(admit({ panic: () => true }, asked("secret.get", identity("low"))), {
    code: "clearance-too-low",
  });
});

test("[OWNER-1] who is not registered passes where nothing is needed, whatever the level", async () => {
  // SECURITY: a kind that anybody may send would give a right that needs a name.
  const { row, ...rest } = asked("secret.list", null);
  const anybody: Asked = { ...rest, row: { ...row, level: "open" } };
  await assert.rejects(admit({}, anybody), { code: "clearance-too-low" });
  const free: Asked = { ...anybody, row: { ...anybody.row, needs: null } };
  const permit = await admit({}, free);
  assert.ok(permit.covers("anything"));
  assert.deepEqual(permit.drawn(), []);
  const { options, questions } = open();
  await admit({ ...options, blocked: ({ name }) => name === "" }, free);
  assert.deepEqual(questions, [], "there is nobody whom a condition could be about");
});

test("[OWNER-5] a condition is told who asks for what, and what the caller's grants cover", async () => {
  const { options } = open();
  const told: unknown[] = [];
  const call = asked("secret.get", other);
  const policy: GateOptions["policy"] = ({ covers, ...rest }) =>
    void told.push(rest, covers("a"), covers("b"));
  await admit({ ...options, policy }, call);
  assert.deepEqual(told, [{ ...call, identity: other }, true, false]);
});

test("[OWNER-1] where an owner goes by no grants, enrolment decides", async () => {
  await assert.rejects(admit({}, asked("secret.get", other)), { code: "capability-missing" });
  await admit({}, asked("secret.get", reader));
});

test("[OWNER-5] who is blocked is refused before anything is asked, and nobody else is", async () => {
  // SECURITY: who was kept out would go on, or learn by the answer what it could still do.
  const { options, questions } = open();
  const blocking = { ...options, blocked: ({ name }: Identity) => name === reader.name };
  await assert.rejects(admit(blocking, asked("secret.get", reader)), (cause) => {
    assert.ok(cause instanceof Refusal);
    assert.deepEqual([cause.code, cause.reason], ["clearance-too-low", "blocked"]);
    return true;
  });
  assert.deepEqual(questions, []);
  await admit(blocking, asked("secret.get", other));
  assert.deepEqual(questions, ["rate", "grants", ...CONDITIONS]);
});
