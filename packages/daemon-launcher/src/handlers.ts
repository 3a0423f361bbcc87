import { closeSync } from "node:fs";
import { wipe } from "@sesame/core-crypto";
import { measurePosture } from "@sesame/core-ipc/daemon";
import type { Call, Handlers } from "@sesame/core-ipc/server";
import {
  BUS_HOST,
  Denial,
  limits,
  toHex,
  type AuditRecord,
  type Identity,
  type LAUNCHER,
  type Params,
  type Processes,
  type Result,
} from "@sesame/core-types";
import { environmentOf, type Secret, type User } from "./environment.ts";
import { openDirectory, openProgram } from "./io/program-file.ts";
import { RunningProgram, type End } from "./io/running-program.ts";
import { patternsOf } from "./redact/patterns.ts";
import { Redactor } from "./redact/redactor.ts";
import { Output } from "./run/output.ts";
import type { Run, Runs } from "./run/runs.ts";

/** What the handlers ask of the daemon around them. */
export type Host = {
  readonly runs: Runs<RunningProgram>;
  readonly user: User;
  /** A private directory for copies of programs. */
  readonly directory: string;
  /** In front of the marks of all runs of this installation. */
  readonly mark: string;
  readonly nowMs: () => number;
  /** 16 random bytes. */
  readonly newId: () => Uint8Array;
  /** Asks whether a ticket is good. @throws {Denial} capability-missing */
  readonly expectTicket: (params: Params<"secret.ticket">) => Promise<unknown>;
  /** Exchanges a ticket for what it stands for. */
  readonly redeem: (params: Params<"secret.redeem">) => Promise<Result<"secret.redeem">>;
  /** Records what no call is the reason of. */
  readonly record: (record: AuditRecord) => void;
  /**
   * A process and its parents.
   *
   * @throws {Denial} busy
   */
  readonly describe: (pid: number) => Promise<Processes>;
  /** Reads and verifies the signed record again; what it returns puts it in force. */
  readonly reread: () => () => void;
};

type Party = { readonly identity: Identity; readonly session: Uint8Array };

/** Requests that daemon-launcher answers. */
export function handlersOf(host: Host): Handlers<typeof LAUNCHER> {
  const { runs } = host;
  const programOf = (id: Uint8Array, call: Call) => runs.of(id, partyOf(call), host.nowMs());

  return {
    "run.start": async (params, call) => {
      const by = partyOf(call);
      call.about(null, `command:${params.command.path}`);
      // What came in is freed with the call.
      const run = runs.open(host.newId(), by, params.ticket.slice(), host.nowMs());
      try {
        const program = await start(host, run, params, call);
        runs.started(run, program);
        return { run: run.id, pid: program.pid };
      } catch (cause) {
        runs.close(run);
        throw cause;
      }
    },

    "run.read": async ({ run: id, waitMs }, call) => {
      const { run, program } = programOf(id, call);
      const read = await program.read(Math.min(waitMs, limits.MAX_RUN_WAIT_MS));
      run.askedMs = host.nowMs();
      if (read.ended !== null) runs.close(run);
      return read;
    },

    "run.write": async ({ run, data, end }, call) => {
      await programOf(run, call).program.write(data, end);
      return {};
    },

    "run.signal": ({ run, signal }, call) => {
      programOf(run, call).program.signal(signal);
      return {};
    },

    "process.describe": ({ pid }, { identity }) => {
      if (identity?.name !== BUS_HOST) throw new Denial("capability-missing");
      return host.describe(pid);
    },

    "run.reload": async (_, call) => {
      const putInForce = host.reread();
      await call.record();
      putInForce();
      return {};
    },

    "run.posture": () => measurePosture(),
  };
}

function partyOf({ identity, session }: Call): Party {
  if (identity === null) throw new Denial("clearance-too-low");
  return { identity, session: session.slice() };
}

/** Asked for, opened, hashed, paid for, put on record, started: in this order. */
async function start(
  host: Host,
  run: Run<RunningProgram>,
  { ticket, command, files }: Params<"run.start">,
  call: Call,
): Promise<RunningProgram> {
  const shown = { ticket, caller: run.by.identity.name, session: run.by.session, command };
  // Nothing is looked at for whoever has no ticket: not whether a file is there, nor its content.
  await host.expectTicket(shown);
  const directory = openDirectory(command.directory);
  try {
    const program = await openProgram(command.path, host.directory);
    try {
      const given = await host.redeem({ ...shown, sha256: program.sha256 });
      try {
        await call.record();
        host.runs.expectGoing();
        return await startWith(host, run, given, {
          command,
          files,
          program: program.fd,
          directory,
        });
      } finally {
        for (const { value } of given.secrets) wipe(value);
      }
    } finally {
      program.close();
    }
  } finally {
    closeSync(directory);
  }
}

async function startWith(
  host: Host,
  run: Run<RunningProgram>,
  given: Result<"secret.redeem">,
  opened: Pick<Params<"run.start">, "command" | "files"> & {
    readonly program: number;
    readonly directory: number;
  },
): Promise<RunningProgram> {
  const mark = `${host.mark}${toHex(run.id)}`;
  const { variables, files } = environmentOf(host.user, mark, given, opened.files);
  const redactor = redactorFor(given.secrets, opened.command.plain);
  return RunningProgram.start({
    ...opened,
    variables,
    files,
    mark,
    output: new Output(redactor()),
    errors: new Output(redactor()),
    ended: (end) => host.record(endRecord(run, given.profile, end)),
  });
}

/** One for each stream. */
function redactorFor(secrets: readonly Secret[], plain: boolean): () => Redactor | null {
  if (plain) return () => null;
  const bytes = secrets.reduce((sum, { value }) => sum + value.length, 0);
  if (bytes > limits.MAX_REDACTED_BYTES) throw new Denial("too-much-to-redact");
  const patterns = secrets.flatMap(({ name, value }) => patternsOf(name, value));
  return () => new Redactor(patterns);
}

function endRecord(
  { by }: Run<RunningProgram>,
  profile: string,
  { code, signal, stopped }: End,
): AuditRecord {
  const how = code === null ? `signal ${signal ?? "unknown"}` : `exit ${code}`;
  return {
    action: "run.end",
    outcome: stopped === null ? how : `${how}, stopped: ${stopped}`,
    profile,
    object: null,
    session: by.session,
    caller: by.identity.name,
  };
}
