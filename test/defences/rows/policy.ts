import { inFolder, rows, type Row } from "../row.ts";

const POLICY = "packages/core-policy/src";
const at = inFolder(POLICY);

/** Signed policies, what they demand, and who agrees to a call. */
export const POLICIES: readonly Row[] = [
  ...rows(...at("approvals"), [
    {
      title: "[APPROVE-2] what waits is bounded, for one identity and for all",
      defence: "one agent does not hide the request that matters among its own",
      from: "if (waiting.length >= MAX_ASKED || mine.length >= MAX_ASKED_EACH)",
      to: "if (waiting.length >= MAX_ASKED)",
    },
    {
      title: "[APPROVE-4] approved once is once, for the whole of what was asked",
      defence: "a yes for one use is for one use",
      from: "if (this.#once.delete(key))",
      to: "if (this.#once.has(key))",
    },
    {
      title: "[APPROVE-4] never stays, also for a part and after a lock",
      defence: "who was refused does not ask until somebody is tired of it",
      from: 'if (singlesOf(ask).some((single) => this.#never.has(single))) return { state: "refused" };',
      to: "",
    },
    {
      title: "[APPROVE-5] either clock ends an approval",
      defence: "a clock that is set back prolongs no approval",
      from: "return now.wallMs >= until.wallMs || now.monotonicMs >= until.monotonicMs;",
      to: "return now.wallMs >= until.wallMs;",
    },
    {
      title: "[APPROVE-5] either clock ends an approval",
      defence: "a laptop that sleeps prolongs no approval",
      from: "return now.wallMs >= until.wallMs || now.monotonicMs >= until.monotonicMs;",
      to: "return now.monotonicMs >= until.monotonicMs;",
    },
    {
      title: "[APPROVE-3] nobody approves what it asked for itself",
      defence: "nobody agrees with itself",
      from: 'if (asked.identity === by) throw new Denial("capability-missing");',
      to: "",
    },
    {
      title: "[APPROVE-6] another identity learns nothing and explains nothing",
      defence: "nobody puts its own words to another's request",
      from: "if (asked?.identity !== identity) return false;",
      to: "if (asked === undefined) return false;",
    },
    {
      title: "[APPROVE-6] another identity learns nothing and explains nothing",
      defence: "nobody learns how another's request stands",
      from: "if (answered?.identity !== identity)",
      to: "if (answered === undefined)",
    },
    {
      title: "[APPROVE-4] answers to one identity are bounded, and leave room for the others",
      defence: "one agent, refused name after name, leaves room for answers to others",
      from: "return keys.filter((key) => identityOf(key) === identity).length;",
      to: "return keys.filter((key) => identityOf(key) !== undefined && identity !== '').length;",
      fails: "too much is waiting already",
    },
    {
      title: "[APPROVE-1] an approval fits no other identity, capability, profile or name",
      defence: "nobody rides on what was approved for another",
      from: "return JSON.stringify([profile, identity, capability, ...names]);",
      to: 'return JSON.stringify([profile, "", capability, ...names]) + identity.slice(identity.length);',
    },
    {
      title: "[APPROVE-1] an approval fits no other identity, capability, profile or name",
      defence: "an approval to use is none to read",
      from: "return JSON.stringify([profile, identity, capability, ...names]);",
      to: "return JSON.stringify([profile, identity, capability.slice(capability.length), ...names]);",
    },
  ]),
  ...rows(...at("bundle"), [
    {
      title: "[POLICY-7] what another key, another type or another installation signed is refused",
      defence: "another installation's policy is none here",
      from: 'if (policy.installation !== installation) throw new PolicyError("policy-foreign");',
      to: "",
    },
    {
      title: "[POLICY-7] what another key, another type or another installation signed is refused",
      defence: "what was signed as something else is no policy",
      file: "packages/core-crypto/src/dsse.ts",
      from: "if (type !== payloadType)",
      to: "if (false)",
    },
    {
      title: "[POLICY-7] the root key signs, and active identities that were given it",
      defence: "who is suspended signs no policies",
      from: 'state === "active" && capabilities.includes("config-reload"),',
      to: 'state !== undefined && capabilities.includes("config-reload"),',
    },
    {
      title: "[POLICY-17] former keys sign until their dates, after all present ones",
      defence: "a key that was replaced stops signing policies",
      from: "one.former.filter(({ untilMs }) => untilMs > nowMs)",
      to: "one.former.filter(({ untilMs }) => untilMs > nowMs || untilMs <= nowMs)",
    },
    {
      title: "[POLICY-8] only a higher version, signed just now, follows",
      defence: "an old policy does not come back",
      from: "if (policy.version <= before || policy.version < seen)",
      to: "if (policy.version < 0 * (before + seen))",
    },
    {
      title: "[POLICY-8] only a higher version, signed just now, follows",
      defence: "a policy that was signed long ago does not follow",
      from: "if (wallMs - policy.createdMs > MAX_AGE_MS)",
      to: "if (wallMs - policy.createdMs > 1e6 * MAX_AGE_MS)",
    },
  ]),
  ...rows(...at("decide"), [
    {
      title: "[POLICY-2] [POLICY-3] one more rule never takes a condition away",
      defence: "every rule that applies is looked at",
      from: "const unmet = policy.rules\n    .filter((rule) => applies(rule, subject))",
      to: "const unmet = policy.rules\n    .filter((rule) => applies(rule, subject))\n    .slice(-1)",
    },
    {
      title: "[POLICY-4] a rule about a part applies to a call that is about all",
      defence: "who may not read a part does not read all at once",
      file: `${POLICY}/policy.ts`,
      from: "? ABOUT_SECRETS.has(capability)\n",
      to: "? ABOUT_SECRETS.size === 0\n",
    },
    {
      title: "[POLICY-4] a trust that nobody measured meets no condition",
      defence: "what nobody measured is not enough",
      from: "least === null || (trust !== null && trust >= least),",
      to: "least === null || trust === null || trust >= least,",
    },
  ]),
  ...rows(...at("enforcer"), [
    {
      title: "[POLICY-3] of several secrets each is looked at, and the strictest wins",
      defence: "a harmless secret takes no forbidden one along",
      from: ": names.map((secret) => ({ ...about, secret }));",
      to: ": names.slice(0, 1).map((secret) => ({ ...about, secret }));",
    },
    {
      title:
        "[POLICY-5] asked for are the secrets whose rule wants it, not those that lack something else",
      defence: "who is asked sees the secrets that are about to be given",
      from: '.filter((one) => one.found.some(({ condition }) => condition === "approval"))',
      to: ".filter((one) => one.found.length > 0)",
    },
    {
      title: "[POLICY-5] a code or an approval that is due is no refusal, and hides none",
      defence: "what nobody may allow is refused, whoever else may agree",
      from: 'found.find(({ condition }) => condition !== "totp" && condition !== "approval") ?? null;',
      to: 'found.slice(0, 1).find(({ condition }) => condition !== "totp" && condition !== "approval") ??\n      null;',
      also: [
        {
          file: `${POLICY}/decide.ts`,
          from: "return unmet.sort(inOrder);",
          to: "return unmet.sort(inOrder).reverse();",
        },
      ],
    },
    {
      title: "[POLICY-5] a code that a rule demands is due",
      defence: "a second factor is not taken for given",
      from: "totp: false,",
      to: "totp: true,",
    },
    {
      title: "[POLICY-16] a trust score is enough or not, and one that nobody measured is not",
      defence: "who was never looked at does not pass for trusted",
      from: "trust: call.trust,",
      to: "trust: call.trust ?? 1,",
    },
    {
      title: "[SIGNAL-2] the best score lets nothing through that another condition refuses",
      defence: "a score is no right",
      file: `${POLICY}/decide.ts`,
      from: "ceiling === null || isBelow(ceiling, subject),",
      to: "ceiling === null || subject.identity.name !== '' || isBelow(ceiling, subject),",
    },
  ]),
  ...rows(...at("held"), [
    {
      title: "[POLICY-13] a rule that would hold back nothing is refused, and says why",
      defence: "nobody relies on a rule that holds back nothing",
      from: "if (kinds.length === 0) return `no policy holds back what takes ${verb}`;",
      to: "",
    },
  ]),
  ...rows(...at("text"), [
    {
      title: "[POLICY-1] a policy that is not written as it should be is refused as a whole",
      defence: "a rule with a slip in it is not left out",
      from: "if (word === undefined) throw invalid(`\\`${field}\\` holds what is none`);\n    return word;",
      to: "return word as T;",
    },
    {
      title: "[POLICY-1] JSON of two readings, and too much of it, is refused",
      defence: "signer and owner read the same rules",
      file: "packages/core-types/src/strict-json.ts",
      from: 'if (name in members) throw new JsonError("a member stands there twice", at);',
      to: "",
    },
  ]),
];
