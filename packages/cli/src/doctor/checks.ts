import { LAUNCHER, type Posture } from "@sesame/core-types";

/** `unknown`: it could not be looked at, which is never a pass. */
export type Verdict = "ok" | "warning" | "failed" | "unknown";

export type Check = {
  readonly name: string;
  readonly verdict: Verdict;
  readonly found: string;
  /** What to do; empty if it is well. */
  readonly remedy: string;
};

/** A fact, or why it could not be found out. */
export type Seen<T> = { readonly value: T } | { readonly unseen: string };

/** A file whose mode or owner was looked at. */
export type FileFact = {
  readonly path: string;
  readonly mode: number;
  readonly uid: number;
  readonly directory: boolean;
};

/** The folder of daemons that the system runs. */
export type SuiteFact = {
  readonly path: string;
  readonly mode: number;
  readonly uid: number;
  /** Uid that it should have. */
  readonly expected: number;
  /** Whether this user could look into it. */
  readonly entered: boolean;
};

export type Facts = {
  readonly release: string;
  readonly uid: number;
  readonly postures: Readonly<Record<"daemon-profile" | "daemon-secrets", Seen<Posture>>>;
  /** Null in an installation that has no launcher. */
  readonly launcher: Seen<Posture> | null;
  readonly kernel: Seen<string>;
  /** Number of swap areas that are no compressed memory. */
  readonly swaps: Seen<number>;
  /** Yama's setting; null where the kernel has no Yama. */
  readonly ptraceScope: Seen<number | null>;
  readonly files: Seen<readonly FileFact[]>;
  /** Null where the user runs the daemons. */
  readonly suite: Seen<SuiteFact> | null;
  /** Key files that are damaged or unreadable, with the reason. */
  readonly badKeys: Seen<readonly string[]>;
  /** Identities whose keys are older than a year. */
  readonly oldKeys: Seen<readonly string[]>;
  readonly installation: Seen<string>;
  readonly auditWritable: Seen<boolean>;
  /** Whether the owners can read their grants. */
  readonly grantsIntact: Seen<boolean>;
  /** Owners that miss the policy in force, and so refuse what one could stop. */
  readonly policyMissing: Seen<readonly string[]>;
  readonly panic: Seen<boolean>;
  /** Milliseconds by which the audit log's last entry lies in the future; 0 if it does not. */
  readonly clockBehindMs: Seen<number>;
  /** Who runs the daemons. */
  readonly manager: Seen<string>;
};

// Seconds do not matter; an hour does.
const CLOCK_TOLERANCE_MS = 60_000;
const OPEN_MODES = 0o077;
const NEW_KEYS =
  "`sesame key rotate --if-older 365d` for the daemons, `sesame agent rotate NAME` for others";

/** Every control, judged from what was measured. */
export function judge(facts: Facts): Check[] {
  const daemons = Object.entries(facts.postures).flatMap(([name, posture]) =>
    daemonChecks(name, posture, facts.release),
  );
  return [
    ...daemons,
    ...launcherChecks(facts),
    check("kernel", facts.kernel, (kernel) => ok(kernel)),
    check("swap", facts.swaps, (count) =>
      count === 0
        ? ok("none")
        : warning(
            `${count} swap areas`,
            "keys are locked, but values in other programs may be swapped",
          ),
    ),
    check("ptrace scope", facts.ptraceScope, (scope) =>
      scope === null || scope === 0
        ? warning(
            scope === null ? "the kernel has no Yama" : "0",
            "the daemons refuse tracing themselves; kernel.yama.ptrace_scope=1 protects other programs too",
          )
        : ok(String(scope)),
    ),
    check("installation record", facts.installation, (id) => ok(`signed, ${id}`)),
    check("key files", facts.badKeys, (bad) =>
      bad.length === 0 ? ok("intact") : failed(bad.join("; "), "restore them from a backup"),
    ),
    check("age of keys", facts.oldKeys, (old) =>
      old.length === 0
        ? ok("less than a year")
        : warning(`more than a year: ${old.join(", ")}`, NEW_KEYS),
    ),
    check("files and directories", facts.files, (files) => judgeFiles(files, facts.uid)),
    ...(facts.suite === null ? [] : [check("suite's folder", facts.suite, judgeSuite)]),
    check("audit log", facts.auditWritable, (writable) =>
      writable ? ok("writable") : failed("not writable", "free space or mend its permissions"),
    ),
    check("grants", facts.grantsIntact, (intact) =>
      intact
        ? ok("intact")
        : failed("damaged: none is taken", "the daemon's log names the file to remove"),
    ),
    check("policy", facts.policyMissing, (owners) =>
      owners.length === 0
        ? ok("missing nowhere")
        : failed(
            `${owners.join(" and ")} had a later one, or another owner has`,
            "`sesame policy install` with the latest one; `sesame policy show` has the versions",
          ),
    ),
    check("panic", facts.panic, (holds) =>
      holds
        ? warning("holds: everything is locked and refused", "`sesame panic --lift` ends it")
        : ok("none"),
    ),
    check("clock", facts.clockBehindMs, (behind) =>
      behind <= CLOCK_TOLERANCE_MS
        ? ok("not behind the audit log")
        : failed(`${Math.round(behind / 1_000)} s behind the audit log`, "set the clock"),
    ),
    check("service manager", facts.manager, (manager) => ok(manager)),
  ];
}

type About = (what: string, judgement: (posture: Posture) => Judgement) => Check;

function aboutDaemon(name: string, seen: Seen<Posture>): About {
  return (what, judgement) => check(`${name}: ${what}`, seen, judgement);
}

const CONFINED = "stop and start the daemons; the log says why they are not confined";

/** It is not confined, which is said and no reason to fail. docs/LAUNCHER.md, Confinement. */
function launcherChecks({ launcher: seen, release, suite }: Facts): Check[] {
  // In system mode there is none. docs/OPERATIONS.md, System mode.
  if (seen === null && suite !== null) return [];
  if (seen === null) return [{ name: LAUNCHER, ...warning("not set up", "`sesame init` adds it") }];
  const about = aboutDaemon(LAUNCHER, seen);
  return [
    about("confinement", () => ok("none by design: its programs would inherit it")),
    ...memoryChecks(about, release),
  ];
}

function daemonChecks(name: string, seen: Seen<Posture>, release: string): Check[] {
  const about = aboutDaemon(name, seen);
  return [
    about("files", ({ landlockAbi: abi, filesConfined }) =>
      filesConfined && abi > 0
        ? ok(`confined by Landlock ABI ${abi}`)
        : failed("not confined", CONFINED),
    ),
    about("system call filters", ({ threads, threadsConfined, filters }) =>
      threadsConfined === threads && filters >= 2
        ? ok(`${filters} on each of ${threads} threads`)
        : failed(`${threadsConfined} of ${threads} threads, at least ${filters} each`, CONFINED),
    ),
    ...memoryChecks(about, release),
  ];
}

/** What holds for every daemon. */
function memoryChecks(about: About, release: string): Check[] {
  return [
    about("release", (posture) =>
      posture.release === release
        ? ok(release)
        : failed(`${posture.release}; this command is ${release}`, "restart the daemons"),
    ),
    about("tracing and core dumps", ({ dumpable, coreLimit }) =>
      !dumpable && coreLimit === 0
        ? ok("refused")
        : failed(dumpable ? "traceable" : "core dumps allowed", CONFINED),
    ),
    about("key memory", ({ secureMemory, lockedBytes }) => {
      if (secureMemory === "memfd_secret") return ok(`memfd_secret, ${lockedBytes} bytes`);
      const remedy = "boot a kernel of version 6.5 or later, or with secretmem.enable=1";
      return secureMemory === "mlock"
        ? warning("locked, but readable by root", remedy)
        : failed("none", "raise LimitMEMLOCK= (`ulimit -l`)");
    }),
    about("memory lock limit", ({ memlockLimit }) =>
      memlockLimit >= 8 * 1024 * 1024
        ? ok(`${memlockLimit} bytes`)
        : warning(`${memlockLimit} bytes`, "raise LimitMEMLOCK= (`ulimit -l`) to 8 MiB"),
    ),
  ];
}

function judgeFiles(files: readonly FileFact[], uid: number): Judgement {
  const bad = files.filter((file) => file.uid !== uid || (file.mode & OPEN_MODES) !== 0);
  if (bad.length === 0) return ok(`${files.length} are private`);
  const remedies = bad.flatMap((file) => [
    ...(file.uid === uid ? [] : [`chown ${uid} ${file.path}`]),
    ...((file.mode & OPEN_MODES) === 0
      ? []
      : [`chmod ${file.directory ? "700" : "600"} ${file.path}`]),
  ]);
  return failed(`${bad.length} of ${files.length} can be reached by others`, remedies.join("; "));
}

function judgeSuite({ path, mode, uid, expected, entered }: SuiteFact): Judgement {
  const closed = uid === expected && (mode & OPEN_MODES) === 0 && !entered;
  return closed
    ? ok(`closed to you: ${path}, of user ${uid}`)
    : failed(
        `${path} can be reached by others`,
        `as root: chown ${expected} ${path}; chmod 700 ${path}`,
      );
}

type Judgement = Omit<Check, "name">;

function check<T>(name: string, seen: Seen<T>, judgement: (value: T) => Judgement): Check {
  return "value" in seen
    ? { name, ...judgement(seen.value) }
    : { name, verdict: "unknown", found: seen.unseen, remedy: "it could not be looked at" };
}

function ok(found: string): Judgement {
  return { verdict: "ok", found, remedy: "" };
}

function warning(found: string, remedy: string): Judgement {
  return { verdict: "warning", found, remedy };
}

function failed(found: string, remedy: string): Judgement {
  return { verdict: "failed", found, remedy };
}
