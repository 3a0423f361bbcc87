import { rows, type Row } from "../row.ts";

const IPC = "packages/core-ipc/src";
const AUTHORITY = "packages/core-authority/src";
const POLICY = "packages/core-policy/src";
const INSTALL = `${IPC}/install`;

/** What people do with the whole of it: daemons that were built, and the command. */
export const END_TO_END: readonly Row[] = [
  ...rows("test/e2e/audit.test.ts", `${IPC}/bus/dispatcher.ts`, [
    {
      title: "a log that cannot be written releases no secret, and heals without a restart",
      defence: "a secret is released once its record is on disk",
      from: "await this.#append(objects.map((object) => ({ ...done, object: object ?? done.object })));",
      to: "void this.#append(objects.map((object) => ({ ...done, object: object ?? done.object }))).catch(\n            () => undefined,\n          );",
    },
  ]),
  ...rows("test/e2e/confinement.test.ts", `${IPC}/io/confine.ts`, [
    {
      title: "no daemon believes that it is confined",
      defence: "a variable in the environment does not switch the sandbox off",
      from: "if (!isConfined() || !filtered)",
      to: "if (!isConfined() && filtered === undefined)",
    },
  ]),
  ...rows("test/e2e/confinement.test.ts", `${IPC}/io/run-daemon.ts`, [
    {
      title: "a bus host that is taken over reaches its own files alone, on no thread more",
      defence: "a daemon that was taken over reads the files on its list alone",
      from: "...[paths.runtime, ...spec.directories(paths)].map((path) => ({",
      to: "...[paths.config, paths.runtime, ...spec.directories(paths)].map((path) => ({",
    },
  ]),
  ...rows("test/e2e/key-memory.test.ts", `${IPC}/io/run-daemon.ts`, [
    {
      title: "another process of the same user reads and traces neither daemon",
      defence: "no program of the user reads the keys out of a daemon",
      from: "harden({ noNewPrivs: true });",
      to: "void harden;",
    },
    {
      title: "where no memory can be locked the daemons refuse to start",
      defence: "keys do not end up in memory that is swapped",
      file: `${IPC}/io/secure-suite.ts`,
      from: 'if (kind === "none") throw new Fault("config", "no memory can be locked for keys", MORE_MEMORY);',
      to: "void MORE_MEMORY;",
    },
  ]),
  ...rows("test/e2e/grants.test.ts", `${AUTHORITY}/ledger.ts`, [
    {
      title: "[AUTH-17] a delegatee hands on what it was given, and its end is theirs",
      defence: "with a grant ends what was given through it",
      from: 'this.#endOne(child, "parent-ended", id, by);',
      to: "",
    },
    {
      title: "[AUTH-31] what lives, is revoked and is used up survives a kill of the owner",
      defence: "a kill of the owner brings no ended grant back",
      from: "ledger.#hold({ ...record, endsBootMs",
      to: "ledger.#hold({ ...record, ended: null, endsBootMs",
    },
    {
      title: "[AUTH-41] with a damaged state no grant counts, and enrolment goes on",
      defence: "whoever damages the file makes the owner forget nothing",
      file: `${IPC}/io/grant-keeper.ts`,
      from: 'log("error", fault.message, { hint: fault.hint });\n      return null;',
      to: 'log("error", fault.message, { hint: fault.hint });\n      return new GrantBook(options, trust, now());',
    },
  ]),
  ...rows("test/e2e/policy.test.ts", `${POLICY}/bundle.ts`, [
    {
      title:
        "[POLICY-2] [POLICY-9] a ceiling ends at once what enrolment allows, also in open sessions",
      defence: "a ceiling holds back what enrolment allows",
      file: `${POLICY}/decide.ts`,
      from: "ceiling === null || isBelow(ceiling, subject),",
      to: "ceiling === null || subject.identity.name !== '' || isBelow(ceiling, subject),",
    },
    {
      title: "[POLICY-7] only the root key, or one that was given it, signs policies",
      defence: "the operator's key file signs no policies",
      from: 'capabilities.includes("config-reload"),',
      to: 'capabilities.some((word) => word === "config-reload" || word === "admin"),',
    },
    {
      title: "[POLICY-8] what is old, stale or from the future leaves the one before in force",
      defence: "an old policy does not come back",
      from: "if (policy.version <= before || policy.version < seen)",
      to: "if (policy.version < 0 * (before + seen))",
    },
    {
      title: "[POLICY-11] a policy that was removed, or put back, is missed by the vaults",
      defence: "a policy that was removed is missed",
      file: `${IPC}/io/policy-keeper.ts`,
      from: "return this.#seen > this.version;",
      to: "return false;",
    },
  ]),
  ...rows("test/e2e/panic.test.ts", `${IPC}/io/panic-mark.ts`, [
    {
      title:
        "[PANIC-3] it survives restarts and kill -9, also where only one of the two has its mark",
      defence: "a restart does not end a panic",
      from: "this.#held = lstatSync(path, { throwIfNoEntry: false }) !== undefined;",
      to: "this.#held = lstatSync(path, { throwIfNoEntry: false }) === null;",
    },
  ]),
  ...rows("test/e2e/tokens.test.ts", `${INSTALL}/certified.ts`, [
    {
      title: "[ENROL-25] of a hundred that come at once, exactly as many come in as the token says",
      defence: "who is quick does not come in by a token that is spent",
      from: 'if (token.admitted.length >= token.uses) return "token-spent";',
      to: "",
    },
  ]),
  ...rows("test/e2e/approval.test.ts", `${POLICY}/approvals.ts`, [
    {
      title: "[APPROVE-1] [APPROVE-4] an agent is blocked until the operator approves, once",
      defence: "a yes for one use is for one use",
      from: "if (this.#once.delete(key))",
      to: "if (this.#once.has(key))",
    },
    {
      title: "[APPROVE-1] what is approved for one identity is of no use to another",
      defence: "nobody rides on what was approved for another",
      from: "return JSON.stringify([profile, identity, capability, ...names]);",
      to: 'return JSON.stringify([profile, "", capability, ...names]) + identity.slice(identity.length);',
    },
  ]),
  ...rows("test/e2e/enrolment.test.ts", `${INSTALL}/record-mark.ts`, [
    {
      title: "[ENROL-13] an old record that is put back brings nobody back, also after a restart",
      defence: "an old record brings nobody back",
      from: 'return serial < mark.serial ? "older" : null;',
      to: 'return serial < 0 ? "older" : null;',
    },
  ]),
  ...rows("test/e2e/run.test.ts", `${AUTHORITY}/command.ts`, [
    {
      title: "[RUN-1] commands that the grant does not admit are refused, however they are put",
      defence: "another argument is another command",
      from: 'return fixed.every((pattern, i) => takesArgument(pattern, args[i] ?? ""));',
      to: "return fixed.every((pattern, i) => pattern.length + i >= 0 && takesArgument('*', ''));",
    },
    {
      title: "[RUN-3] a ticket is for one run, of one command, by one session",
      defence: "a ticket is for one run",
      file: "packages/daemon-secrets/src/use/tickets.ts",
      from: "if (issued === undefined || issued.redeemed) return null;\n    const { use }",
      to: "if (issued === undefined) return null;\n    const { use }",
    },
    {
      title: "[RUN-9] a run is nobody else's",
      defence: "another agent does not read a run's output",
      file: "packages/daemon-launcher/src/run/runs.ts",
      from: "run.by.identity.id === by.identity.id &&\n",
      to: "",
      also: [
        {
          file: "packages/daemon-launcher/src/run/runs.ts",
          from: "equalBytes(run.by.session, by.session);",
          to: "by.session.length === 16;",
        },
      ],
    },
  ]),
];
