import { inFolder, rows, type Row } from "../row.ts";

const IPC = "packages/core-ipc/src";
const BUS_FOLDER = `${IPC}/bus`;
const at = inFolder(BUS_FOLDER);

/** The router's check that a caller is cleared. */
const UNCLEARED = {
  from: "if (!dominates(from.sender.clearance, level) || !dominates(from.sender.clearance, row.level)) {",
  to: "if (false) {",
};

/** Who may send what to whom, and what an owner asks before it answers. */
export const BUS: readonly Row[] = [
  ...rows(...at("router"), [
    {
      title: "[ROUTE-1] nothing is accepted from a connection below its level",
      defence: "a request counts only from a connection that is cleared for its level",
      ...UNCLEARED,
    },
    {
      title: "[ENROL-10] a connection that gets a name is routed by its clearance from then on",
      defence: "a connection that becomes somebody goes by the new clearance",
      from: "if (connection !== undefined) connection.sender = sender;",
      to: "",
    },
    {
      title: "[ENROL-10] a connection that gets a name is routed by its clearance from then on",
      defence: "a published message reaches nobody below its level",
      from: "if (!dominates(subscriber.sender.clearance, level)) continue;",
      to: "",
    },
    {
      title: "[MESSAGE-2] the level of a kind is the table's, whatever the caller wrote",
      defence: "the level that a caller writes counts for nothing",
      from: "const level = chosen ? header.level : row.level;",
      to: "const level = header.level;",
    },
    {
      title: "[ROUTE-2] a request does not reach an owner below its level",
      defence: "who serves under the owner's name with a lower clearance gets no request",
      from: "to === undefined || !dominates(to.sender.clearance, level))",
      to: "to === undefined)",
    },
    {
      title: "[ROUTE-3] a request reaches the owner of its kind and nobody else",
      defence: "the owner of a kind is the table's word, not the caller's",
      from: "const owner = chosen ? header.target : row.owner;",
      to: "const owner = header.target ?? row.owner;",
    },
    {
      title: "[ROUTE-12] only a registered identity serves, under its own name, the latest first",
      defence: "nobody serves whom the registry does not know",
      from: 'if (from.sender.name === null)\n        return this.#refuseAudited(id, header, "clearance-too-low", "bus.serve");\n      this.#servers.set(from.sender.name, id);',
      to: 'this.#servers.set(from.sender.name ?? header.target ?? "", id);',
      also: [{ file: `${BUS_FOLDER}/router.ts`, ...UNCLEARED }],
    },
    {
      title: "[ROUTE-4] a reply counts from the connection that was asked, for that kind, once",
      defence: "a call that was answered is not waiting any more",
      from: "from.asked.delete(call);\n    const caller",
      to: "const caller",
    },
    {
      title: "[ROUTE-4] a reply counts from the connection that was asked, for that kind, once",
      defence: "a reply is of the kind that was asked for",
      from: "if (waiting === undefined || waiting.tag !== header.tag) {",
      to: "if (waiting === undefined) {",
    },
    {
      title: "[ROUTE-4] a reply counts from the connection that was asked, for that kind, once",
      defence: "who answers what it was never asked loses its connection",
      from: '{ do: "close", connection: id, rule: "ROUTE-4" },',
      to: "",
    },
    {
      title: "[ROUTE-8] an event of the catalogue is published by its owner only",
      defence: "events of the catalogue come from their owner alone",
      from: ": from.sender.name === event.from;",
      to: ": true;",
    },
    {
      title:
        "[TOPIC-2] an application topic is no name of the catalogue, and its publisher registered",
      defence: "an application does not speak under the name of a daemon's event",
      from: "!Object.hasOwn(MESSAGES, topic) &&",
      to: "",
    },
    {
      title:
        "[TOPIC-2] an application topic is no name of the catalogue, and its publisher registered",
      defence: "who is not registered publishes nothing",
      from: "from.sender.name !== null &&\n",
      to: "",
    },
    {
      title: "[TOPIC-1] applications choose `open` or `internal`, no more",
      defence: "nothing above `internal` is published in clear",
      from: ' &&\n          (level === "open" || level === "internal")',
      to: "",
    },
    {
      title: "[TOPIC-1] applications choose `open` or `internal`, no more",
      defence: "nothing above `internal` is asked in clear",
      from: 'if (chosen && level !== "open" && level !== "internal")',
      to: "if (false)",
    },
    {
      title: "[ROUTE-10] outstanding calls and subscriptions are bounded",
      defence: "one client waits for a bounded number of answers",
      from: "from.outstanding >= limits.MAX_OUTSTANDING_CALLS ||",
      to: "",
    },
    {
      title: "[ROUTE-10] outstanding calls and subscriptions are bounded",
      defence: "one client hears a bounded number of topics",
      from: "if (subscribe && from.topics.size >= limits.MAX_SUBSCRIPTIONS)",
      to: "if (false)",
    },
    {
      title: "[ROUTE-11] an id that is already waiting is refused",
      defence: "a second call under one id does not take the first one's reply",
      from: 'if (to.asked.has(call)) return this.#refuse(id, header, "duplicate-call");',
      to: "",
    },
    {
      title: "[FLOW-4] who asks and does not read is closed, not answered without end",
      defence: "refusals do not pile up for a client that does not read",
      from: "if (this.#options.room(to) < -limits.MAX_REFUSAL_BYTES)",
      to: "if (false)",
    },
  ]),
  ...rows(`${BUS_FOLDER}/router-model.test.ts`, `${BUS_FOLDER}/router.ts`, [
    {
      title: "[ROUTE-5] the router does what a slow and obvious model does",
      defence: "a call ends at its deadline",
      from: "if (waiting.until > now) continue;",
      to: "continue;",
    },
  ]),
  ...rows(...at("gate"), [
    {
      title: "[OWNER-5] the questions are asked in their order, and the first no ends them",
      defence: "nobody is asked to approve what the caller has no right to",
      from: "const permit = identity === null ? UNLIMITED : await permitFor(options, asked, identity);\n  expectCalm(options, row);",
      to: "if (identity !== null)\n    for (const condition of CONDITIONS)\n      await options[condition]?.({ ...asked, identity, covers: () => true });\n  const permit = identity === null ? UNLIMITED : await permitFor(options, asked, identity);\n  expectCalm(options, row);",
    },
    {
      title: "[OWNER-5] clearance comes first, and no grant raises it",
      defence: "an owner checks the clearance itself, before any grant counts",
      from: 'if (!dominates(identity?.clearance ?? "open", row.level)) throw new Denial("clearance-too-low");',
      to: "",
    },
    {
      title: "[BLOCK-4] who is blocked while somebody is asked gets nothing either",
      defence: "the block list is asked again after waiting",
      from: "// One may have begun, or the caller been blocked, while somebody was asked.\n  expectUnblocked(options, identity);",
      to: "",
    },
    {
      title: "[OWNER-1] no grant makes a caller a daemon",
      defence: "what daemons alone may do hangs on the enrolment, not on a grant",
      from: 'if (identity.kind === "daemon") return UNLIMITED;\n    throw new Denial("capability-missing");',
      to: "return UNLIMITED;",
    },
    {
      title: "[PANIC-1] while a panic holds, only what is marked passes, for anybody",
      defence: "a panic holds back every kind that is not marked",
      from: 'if (panic?.() === true && !inPanic) throw new Denial("panic");',
      to: "",
    },
    {
      title: "[OWNER-1] who is not registered passes where nothing is needed, whatever the level",
      defence: "a kind that needs a capability needs a name",
      from: 'if (identity === null && row.needs !== null) throw new Denial("clearance-too-low");',
      to: "",
    },
    {
      title: "[OWNER-5] who is blocked is refused before anything is asked, and nobody else is",
      defence: "the block list is asked first",
      from: "const { row, identity } = asked;\n  expectUnblocked(options, identity);",
      to: "const { row, identity } = asked;",
    },
  ]),
  ...rows(`${BUS_FOLDER}/matrix.test.ts`, `${BUS_FOLDER}/gate.ts`, [
    {
      title: "[OWNER-1] every kind, for every identity kind, clearance and enrolled capability",
      defence: "a caller needs the capability of the kind",
      from: "hasCapability(identity.capabilities, needs)",
      to: "true",
    },
    {
      title: "[AUTH-3] every kind, for every identity kind and every right that was granted",
      defence: "where grants have nothing to say, the answer is no",
      from: 'if (permit === null) throw new Denial("capability-missing");',
      to: "if (permit === null) return UNLIMITED;",
    },
  ]),
  ...rows(...at("dispatcher"), [
    {
      title:
        "[OWNER-1] every kind is answered for those who hold its capability, and for nobody else",
      defence: "every kind passes the gate",
      from: "const permit = await admit(this.#options.gate ?? {}, {\n        row,\n        identity,\n        session,\n        trust,\n        about,\n      });",
      to: "about();\n      const permit: Permit = { covers: () => true, narrow: () => undefined, drawn: () => [], use: async () => [] };\n      void admit;",
    },
    {
      title: "[SEAL-7] the bus's word about a caller does not count for a sealed kind",
      defence: "who calls is who proved its key in the sealed call",
      from: "const identity = registry.byKey(opened.caller);",
      to: 'const identity = registry.byName(header.sender.name ?? "");',
    },
    {
      title: "[SEAL-9] a sealed kind in clear is refused, and recorded",
      defence: "a sealed kind that comes in clear is no call",
      from: "if (!row.sealed) {",
      to: "if (!row.sealed || (payload[0] ?? 0) > 2) {",
    },
    {
      title: "[OWNER-3] nothing is released when its record cannot be written",
      defence: "the record is on disk before anything is released",
      from: "await this.#append(objects.map((object) => ({ ...done, object: object ?? done.object })));",
      to: "void this.#append(objects.map((object) => ({ ...done, object: object ?? done.object }))).catch(\n            () => undefined,\n          );",
    },
    {
      title: "[OWNER-2] a refusal stands where it cannot be recorded",
      defence: "a refusal reads the same whether or not it can be recorded",
      from: '    } catch {\n      this.#options.log("warn", "refusal not recorded"',
      to: '    } catch (cause) {\n      if (cause instanceof Denial) throw cause;\n      this.#options.log("warn", "refusal not recorded"',
    },
    {
      title: "[OWNER-3] a handler that forgets to record releases nothing",
      defence: "what has to be on record and is not is not released",
      from: 'if (!recorded) throw new Fault("fault", `${row.name} was not recorded`, "report this");',
      to: "",
    },
    {
      title: "[OWNER-4] a fault is named by its incident; what went wrong stays in the log",
      defence: "error texts do not reach the caller",
      from: 'return new Denial("fault", incident);',
      to: 'return new Denial("fault", error.message);',
    },
    {
      title: "where no memory is left to seal a reply, the call is refused and the owner goes on",
      defence: "want of memory refuses a call instead of ending the owner",
      from: '} catch (cause) {\n      this.#options.log("error", "denial not sealed"',
      to: '} catch (cause) {\n      throw cause;\n      this.#options.log("error", "denial not sealed"',
      fails: "exhausted",
    },
    {
      title: "what a sealed reply was made of is wiped, and what came in clear is left alone",
      defence: "values do not wait in memory once they are sealed",
      from: "eachSecret(row.result, result, freeSecret);",
      to: "",
    },
    {
      title: "the body of a sealed call is wiped once it was answered",
      defence: "passwords do not wait in memory once a call is answered",
      from: "if (seal !== null) this.#options.memory.freeSecret(body);",
      to: "",
    },
    {
      title: "[OWNER-2] the reason of a refusal is on record, and the refused does not learn it",
      defence: "who guesses at grants does not learn what they lack",
      file: `${BUS_FOLDER}/gate.ts`,
      from: "super(code);",
      to: "super(code, reason);",
    },
    {
      title: "[OWNER-7] a use is taken before the record, and no use means no release",
      defence: "a use is taken before anything is released",
      from: "const done = { ...record, outcome: outcomeOf(await permit.use()) };",
      to: "const done = { ...record, outcome: outcomeOf([]) };",
    },
    {
      title: "[OWNER-7] where nothing is recorded, the use is taken before the handler runs",
      defence: "kinds that are not recorded cost their use all the same",
      from: "if (recorded) await permit.use();",
      to: "",
    },
  ]),
  ...rows(...at("registry"), [
    {
      title: "[ENROL-15] a suspended identity is nobody, and its name and key stay taken",
      defence: "a suspended identity has no rights",
      from: 'if (state !== "active") continue;',
      to: "",
    },
    {
      title: "[HANDSHAKE-4] a key or a name that occurs twice is refused",
      defence: "one key names one identity",
      from: "if (keys.has(one)) throw new RangeError(`a key of identity ${name} is registered twice`);",
      to: "",
    },
    {
      title: "[ENROL-10] what the registry knows is exchanged as a whole, or stays",
      defence: "an identity that was removed is nobody",
      from: "const [byKey, byName] = [new Map<string, Identity>(), new Map<string, Identity>()];",
      to: "const [byKey, byName] = [new Map(this.#byKey), new Map(this.#byName)];",
    },
    {
      title: "[ENROL-17] a former key is its identity's until its date, and nobody's from then on",
      defence: "a key that was replaced ends at its date",
      from: "former !== undefined && former.untilMs > this.#nowMs()",
      to: "former !== undefined",
    },
    {
      title: "[ENROL-17] a former key is its identity's until its date, and nobody's from then on",
      defence: "a clock that is set back brings no key back",
      from: "this.#latestMs = Math.max(this.#latestMs, this.#wallMs());",
      to: "this.#latestMs = this.#wallMs();",
    },
  ]),
  ...rows(...at("crowd"), [
    {
      title: "[LIMIT-1] the last places are for people and daemons",
      defence: "agents leave room for the operator",
      from: "if (all > MAX_CONNECTIONS - RESERVED_CONNECTIONS) return true;",
      to: "if (all > MAX_CONNECTIONS) return true;",
    },
    {
      title: "[LIMIT-1] unregistered connections keep no registered one out",
      defence: "unregistered connections are counted by themselves",
      from: "return kind === null && open >= MAX_OPEN_CONNECTIONS;",
      to: "return false;",
    },
  ]),
  ...rows(...at("rate-windows"), [
    {
      title: "[RATE-1] the last call of the limit is let through, the next one is not",
      defence: "calls of one window are counted",
      from: "if (window.count === times.length)",
      to: "if (false)",
    },
    {
      title: "[RATE-3] further keys are counted together, and bring no key its calls back",
      defence: "a key whose calls still count is not forgotten",
      from: "if (window.count > 0) return;",
      to: "",
    },
  ]),
  ...rows(...at("rate-limit"), [
    {
      title: "[RATE-1] calls of one class are counted together, those of another are not",
      defence: "two kinds that read are counted together",
      from: "const wait = windows.take(`${counted} ${id}`, limit, monotonicMs());",
      to: "const wait = windows.take(`${counted} ${id} ${row.name}`, limit, monotonicMs());",
    },
  ]),
  ...rows(`${IPC}/io/grant-keeper.test.ts`, `${IPC}/io/grant-keeper.ts`, [
    {
      title:
        "[AUTH-52] [TRUST-4] a posture is the lesser of the bus's word and the owner's own measure",
      defence: "a lying bus does not talk an owner's posture up",
      from: "const posture = Math.min(trust.posture, this.#options.posture);",
      to: "const { posture } = trust;",
    },
  ]),
  ...rows(...at("policy-guard"), [
    {
      title: "[POLICY-12] repairs, and the suite's daemons, are not held back",
      defence: "no rule locks the operator out of the policy",
      from: "capability === undefined || row.repair ||",
      to: "capability === undefined ||",
      fails: "this identity may not do that",
    },
    {
      title: "[POLICY-12] repairs, and the suite's daemons, are not held back",
      defence: "no rule keeps the suite's daemons from each other",
      from: 'row.repair || identity.kind === "daemon"',
      to: "row.repair",
      fails: "this identity may not do that",
    },
    {
      title: "[POLICY-6] a rate holds also for calls that wait for agreement at the same time",
      defence: "the rate is asked again after waiting",
      from: 'if (policy?.mode === "enforce" && refused !== null)',
      to: "if (false && refused !== null)",
    },
    {
      title: "[POLICY-16] a score is asked for where a rule demands one, and refuses below it",
      defence: "a score that a rule demands is measured",
      from: "policy !== null && demandsTrust(policy) ? await options.trust(identity) : null;",
      to: "policy !== null && demandsTrust(policy) ? 1 : null;",
    },
  ]),
  ...rows(...at("seen-program"), [
    {
      title: "[RUN-22] a process that was seen to run another program has no digest any more",
      defence: "who became another program after it connected is no program that a grant names",
      from: "this.#last = this.#changed ? { ...found, sha256: null } : found;",
      to: "this.#last = found;",
    },
  ]),
];
