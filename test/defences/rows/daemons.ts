import { rows, type Row } from "../row.ts";

const PROFILE = "packages/daemon-profile/src";
const LAUNCHER = "packages/daemon-launcher/src";
const TYPES = "packages/core-types/src";

/** The bus host's lists, the launcher, and the vocabulary that all of them share. */
export const DAEMONS: readonly Row[] = [
  ...rows(`${PROFILE}/audit/refusals.test.ts`, `${PROFILE}/audit/refusals.ts`, [
    {
      title: "refusals beyond the limit of a minute are counted and told once",
      defence: "who is refused does not fill the disk",
      from: "if (window.seen <= REFUSALS_PER_MINUTE) return true;",
      to: "if (window.seen > 0) return true;",
    },
    {
      title: "one party's refusals leave the others their own",
      defence: "a noisy program does not hide another's attempts",
      from: 'const own = `${whoseOf(party)} ${strike ?? ""}`;',
      to: 'const own = `${whoseOf(party).length < 0} ${strike ?? ""}`;',
    },
    {
      title: "memory does not grow with the number of parties, and none goes uncounted",
      defence: "endlessly many names do not exhaust the daemon's memory",
      from: "this.#windows.has(own) || this.#windows.size < MAX_PARTIES ? own : OTHERS;",
      to: "this.#windows.size < 1e9 * MAX_PARTIES ? own : OTHERS;",
    },
    {
      title: "[STRIKE-2] what strikes is recorded, however much else a party was refused",
      defence: "nobody forges off the record behind other refusals",
      from: 'const own = `${whoseOf(party)} ${strike ?? ""}`;',
      to: "const own = `${whoseOf(party)} ${strike === '' ? strike : ''}`;",
    },
    {
      title: "an identity whose name is a number is none of that user's strangers",
      defence: "strangers do not hide what an identity does",
      from: "if (name !== null) return `name:${name}`;",
      to: "if (name !== null) return `uid:${name}`;",
    },
  ]),
  ...rows(`${PROFILE}/enrolment/waiting-room.test.ts`, `${PROFILE}/enrolment/waiting-room.ts`, [
    {
      title: "[ENROL-4] the room holds twenty, and who leaves or expires makes place",
      defence: "applicants do not fill memory and disk",
      from: 'if (present.length >= limits.MAX_PENDING) throw new Denial("waiting-room-full");',
      to: "",
    },
    {
      title: "[ENROL-4] waiting ends after a day, and when the clock was set back",
      defence: "a clock that went back prolongs no waiting",
      from: "untilMs > nowMs && untilMs <= latest);",
      to: "untilMs > nowMs && untilMs <= latest * 2);",
    },
    {
      title: "[ENROL-2] a name is one applicant's, one identity's or the suite's",
      defence: "nobody waits under a name of the suite's",
      from: "if (isReservedName(name) || isTaken",
      to: "if (isTaken",
    },
    {
      title: "[ENROL-3] the same request changes nothing, another one by the same key is refused",
      defence: "what the operator has compared is not exchanged",
      from: "if (sameEnrolment(mine.enrolment, enrolment)) return room;",
      to: "if (sameEnrolment(mine.enrolment, enrolment) || mine !== null) return room;",
    },
  ]),
  ...rows(`${PROFILE}/block/blocker.test.ts`, `${PROFILE}/block/blocker.ts`, [
    {
      title: "[STRIKE-3] people and daemons are not blocked by strikes, nor who is in no record",
      defence: "the operator does not lock himself out by mistyping",
      from: "if (identity === null || !ENROLLED_KINDS.some((kind) => kind === identity.kind)) return;",
      to: "if (identity === null || ENROLLED_KINDS.length === 0) return;",
    },
    {
      title: "[STRIKE-2] a restart goes on counting, and strikes what was not struck before a kill",
      defence: "killing the daemon gives nobody as many tries again",
      from: "for (const strike of due.values()) this.#strike(strike);",
      to: "",
    },
  ]),
  ...rows(
    "packages/daemon-secrets/src/use/tickets.test.ts",
    "packages/daemon-secrets/src/use/tickets.ts",
    [
      {
        title: "[RUN-3] a ticket is good for its caller, session and command alone",
        defence: "a ticket is its caller's",
        from: "use.caller === caller &&",
        to: "",
      },
      {
        title: "[RUN-3] a ticket is good for its caller, session and command alone",
        defence: "a ticket is for one command",
        from: "isSameCommand(use.command, command);",
        to: "isSameCommand(command, command);",
      },
      {
        title: "[RUN-3] a ticket is taken once, and within its time",
        defence: "one use is one run",
        from: "if (issued === undefined || issued.redeemed) return null;\n    const { use }",
        to: "if (issued === undefined) return null;\n    const { use }",
      },
      {
        title: "[RUN-23] a ticket that was asked about is good still, for the same alone",
        defence: "a ticket that was tried for something else is worth nothing any more",
        from: "this.#issued.delete(this.#key(ticket));\n    return null;",
        to: "return null;",
      },
    ],
  ),
  ...rows(`${LAUNCHER}/environment.test.ts`, `${LAUNCHER}/environment.ts`, [
    {
      title: "[RUN-7] a program gets the launcher's environment and the secrets, nothing else",
      defence: "a program gets a search path of the launcher's",
      from: 'PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",',
      to: 'PATH: process.env["PATH"] ?? "",',
    },
    {
      title: "[RUN-8] a file is asked for by the name of a secret that is given",
      defence: "a slip in a name puts no secret into the environment",
      from: "if (!values.has(name))",
      to: "if (false)",
    },
  ]),
  ...rows(`${LAUNCHER}/redact/redactor.test.ts`, `${LAUNCHER}/redact/redactor.ts`, [
    {
      title: "[RUN-13] a secret is taken out in every form, however the stream is cut",
      defence: "what may be the beginning of a secret is held back",
      from: "if (found === UNDECIDED) break;",
      to: "if (found === UNDECIDED) continue;",
    },
  ]),
  ...rows(`${LAUNCHER}/run/runs.test.ts`, `${LAUNCHER}/run/runs.ts`, [
    {
      title: "[RUN-9] a run is its starter's alone, and is not there for others",
      defence: "another identity does not read a run's output",
      from: "run.by.identity.id === by.identity.id &&\n",
      to: "",
    },
    {
      title: "[RUN-9] a run is its starter's alone, and is not there for others",
      defence: "another session does not read a run's output",
      from: "equalBytes(run.by.session, by.session);",
      to: "by.session.length === 16;",
    },
    {
      title: "[RUN-11] what has ended makes room, even if nobody comes for its output",
      defence: "an agent that is killed does not take the room from everybody",
      from: "if (isLeft && program?.hasEnded === true) this.close(run);\n      else if",
      to: "if",
    },
    {
      title: "[RUN-10] a run ends with its right, and when nobody confirms that right",
      defence: "a bus that withholds the answer keeps no run alive",
      from: 'else if (blind) program?.stop("owner-silent");',
      to: "",
    },
    {
      title: "[RUN-10] a run ends with its right, and when nobody confirms that right",
      defence: "a run ends with its right",
      from: 'if (standing[i] !== true) program?.stop("right-ended");',
      to: "void [i, program, standing];",
    },
  ]),
  ...rows(`${TYPES}/level.test.ts`, `${TYPES}/level.ts`, [
    {
      title: "[ROUTE-1] a clearance reaches its own level and those below it, and no other",
      defence: "a clearance does not reach beyond its level",
      from: "return levelRank(clearance) >= levelRank(level);",
      to: "return levelRank(clearance) + 1 >= levelRank(level);",
    },
  ]),
  ...rows(`${TYPES}/names.test.ts`, `${TYPES}/names.ts`, [
    {
      title: "[NAME-1] a profile name cannot leave its directory",
      defence: "a profile's name is no path",
      from: 'return text.length <= MAX_PROFILE_NAME && WORD.test(text) && !text.includes("..");',
      to: 'return text.length <= MAX_PROFILE_NAME && text !== "";',
    },
  ]),
  ...rows(`${TYPES}/printable.test.ts`, `${TYPES}/printable.ts`, [
    {
      title: "no control, bidi, zero-width or line-separating character passes",
      defence: "a name does not drive the reader's terminal",
      from: "const UNSAFE = /[\\p{Cc}\\p{Cf}",
      to: "const UNSAFE = /[\\p{Cc}",
    },
  ]),
  ...rows(`${TYPES}/strict-json.test.ts`, `${TYPES}/strict-json.ts`, [
    {
      title:
        "[JSON-2] a member that stands there twice is refused, at any depth and however written",
      defence: "signer and reader see the same member",
      from: 'if (name in members) throw new JsonError("a member stands there twice", at);',
      to: "",
    },
    {
      title: "[JSON-4] depth and length are bounded",
      defence: "a text of brackets does not end its reader",
      from: "if (depth === 0) throw",
      to: "if (depth === -1e6) throw",
    },
  ]),
  ...rows(`${TYPES}/subject.test.ts`, `${TYPES}/subject.ts`, [
    {
      title: "[OWNER-6] what a call is about is read from its parameters",
      defence: "every name that a call has is held against the grant",
      from: 'return places.flatMap(([field, node]) => textsOf(node, record[field], "secret-name"));',
      to: 'return places.flatMap(([field, node]) => textsOf(node, record[field], "secret-name")).slice(0, 1);',
    },
  ]),
];
