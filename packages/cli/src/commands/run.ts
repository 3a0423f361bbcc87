import { realpathSync } from "node:fs";
import { constants } from "node:os";
import { resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { BusClient } from "@sesame/core-ipc/client";
import {
  Denial,
  Fault,
  isSecretName,
  limits,
  RUN_SIGNALS,
  utf8Length,
  type Command,
  type Params,
} from "@sesame/core-types";
import { chosenProfile, withBus, type Context } from "../context.ts";
import { ExecFault, findProgram, NOT_EXECUTABLE, NOT_FOUND } from "../io/exec.ts";
import { approved, type ApprovalFlags } from "../io/approved.ts";
import { print } from "../io/print.ts";
import { printable } from "../printable.ts";
import type { Outcome } from "../render.ts";

export type RunFlags = ApprovalFlags & {
  readonly profile?: string;
  readonly only?: string;
  readonly file?: string;
  readonly grant?: string;
  /** False: `--no-redact`. */
  readonly redact?: boolean;
};

/**
 * Has the launcher run a command with secrets that this identity cannot read. Ends with the exit
 * code of the command.
 */
export async function runWithSecrets(
  context: Context,
  words: readonly string[],
  flags: RunFlags,
): Promise<Outcome> {
  const [, ...args] = words;
  if (flags.grant !== undefined && !UUID.test(flags.grant))
    throw new Fault(
      "usage",
      `${printable(flags.grant)} is no id`,
      "`sesame grant list` shows them",
    );
  const command: Command = {
    path: resolve(findProgram(words, context.env)),
    args,
    directory: realpathSync("."),
    plain: flags.redact === false,
  };
  expectSendable(command);
  const names = listOf(flags.only);
  const files = listOf(flags.file) ?? [];
  if (files.length > limits.MAX_RUN_FILES)
    throw new Fault("usage", `at most ${limits.MAX_RUN_FILES} secrets go into files`, "name fewer");
  if (names !== null) expectAmong(files, names);
  const code = await withBus(context, async (bus) => {
    const profile = await chosenProfile(context, bus, flags.profile);
    try {
      return await runCommand(bus, command, {
        profile,
        names,
        files,
        grant: flags.grant ?? null,
        approval: flags,
      });
    } catch (cause) {
      if (flags.grant !== undefined) await expectGrant(bus, flags.grant, cause);
      throw explained(cause, context.identity);
    }
  });
  process.exitCode = code;
  return { text: "", data: undefined };
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

type Wish = {
  readonly profile: string;
  readonly names: string[] | null;
  readonly files: string[];
  readonly grant: string | null;
  readonly approval: ApprovalFlags;
};

async function runCommand(bus: BusClient, command: Command, wish: Wish): Promise<number> {
  const { profile, names, grant, files } = wish;
  const use = await approved(bus, wish.approval, () =>
    bus.call("secret.use", { profile, names, grant, command }),
  );
  expectAmong(files, use.names);
  const { ticket } = use;
  const { run: id } = await bus.call("run.start", { ticket, command, files });
  const over = new AbortController();
  const stopForwarding = forwardSignals(bus, id);
  // What it is given ends with it; that nobody reads on is no fault of ours.
  const feeding = feed(bus, id, over.signal).catch(() => undefined);
  try {
    for (;;) {
      const waitMs = limits.MAX_RUN_WAIT_MS;
      const { output, errors, ended } = await bus.call("run.read", { run: id, waitMs });
      if (output.length > 0) print(1, output);
      if (errors.length > 0) print(2, errors);
      if (ended === null) continue;
      if (ended.stopped !== null)
        print(2, `sesame: the command was ended: ${printable(STOPPED[ended.stopped] ?? "")}\n`);
      return ended.code ?? 128 + (signals[ended.signal ?? ""] ?? 0);
    }
  } finally {
    over.abort();
    stopForwarding();
    process.stdin.destroy();
    await feeding;
  }
}

const signals: Readonly<Record<string, number>> = constants.signals;

const STOPPED: Readonly<Record<string, string>> = {
  "caller-gone": "nobody asked for its output any more",
  "right-ended": "the grant has ended, or the vault was locked",
  "owner-silent": "the vault daemon does not answer",
  "launcher-stopped": "the launcher was stopped",
};

/** Hands standard input on as it comes; its end, too. */
async function feed(bus: BusClient, run: Uint8Array, over: AbortSignal): Promise<void> {
  for await (const chunk of process.stdin as AsyncIterable<Buffer>)
    for (let at = 0; at < chunk.length; at += limits.MAX_RUN_INPUT) {
      if (over.aborted) return;
      const data = chunk.subarray(at, at + limits.MAX_RUN_INPUT);
      await write(bus, { run, data, end: false }, over);
    }
  if (!over.aborted) await write(bus, { run, data: new Uint8Array(0), end: true }, over);
}

const AGAIN_MS = 100;

/** However long the command does not read: what it is given waits here. */
async function write(bus: BusClient, input: Params<"run.write">, over: AbortSignal): Promise<void> {
  for (;;) {
    try {
      await bus.call("run.write", input, { signal: over });
      return;
    } catch (cause) {
      const isBusy = cause instanceof Denial && cause.code === "busy";
      if (!isBusy || over.aborted) throw cause;
      await sleep(AGAIN_MS);
    }
  }
}

/** The command gets what this process is sent, and decides itself what to do about it. */
function forwardSignals(bus: BusClient, run: Uint8Array): () => void {
  const listeners = RUN_SIGNALS.map((signal) => {
    const forward = (): void => {
      bus.call("run.signal", { run, signal }).catch(() => undefined);
    };
    process.on(signal, forward);
    return [signal, forward] as const;
  });
  return () => {
    for (const [signal, forward] of listeners) process.off(signal, forward);
  };
}

function listOf(flag: string | undefined): string[] | null {
  if (flag === undefined) return null;
  const names = flag.split(",").map((name) => name.trim());
  if (names.includes(""))
    throw new Fault("usage", "an empty name of a secret", "separate names by single commas");
  const wrong = names.find((name) => !isSecretName(name));
  if (wrong !== undefined) throw new Denial("name-invalid", printable(wrong).slice(0, 64));
  return names;
}

/** What no message holds is told before anybody is asked for anything. */
function expectSendable({ path, args, directory }: Command): void {
  const { MAX_ARGUMENTS, MAX_ARGUMENT_BYTES, MAX_PATH_BYTES } = limits;
  const long = args.findIndex((argument) => utf8Length(argument) > MAX_ARGUMENT_BYTES);
  const hint = "hand it over on standard input";
  if (long >= 0)
    throw new Fault(
      "usage",
      `argument ${long + 1} of the command is longer than ${MAX_ARGUMENT_BYTES} bytes`,
      hint,
    );
  if (args.length > MAX_ARGUMENTS)
    throw new Fault("usage", `the command has more than ${MAX_ARGUMENTS} arguments`, hint);
  if ([path, directory].some((one) => utf8Length(one) > MAX_PATH_BYTES))
    throw new Fault(
      "usage",
      `a program and its directory have paths of at most ${MAX_PATH_BYTES} bytes`,
      "run it elsewhere",
    );
}

/** @throws {Fault} usage, if a name is not among those that the command gets */
function expectAmong(files: readonly string[], names: readonly string[]): void {
  const stray = files.find((name) => !names.includes(name));
  if (stray === undefined) return;
  throw new Fault(
    "usage",
    `\`--file\` names ${stray}, which is not among the secrets of this command`,
    `these are: ${names.slice(0, 10).join(", ")}${names.length > 10 ? ", …" : ""}`,
  );
}

/** Tells apart a grant that there is not from one that does not allow the command. */
async function expectGrant(bus: BusClient, grant: string, cause: unknown): Promise<void> {
  if (!(cause instanceof Denial) || cause.code !== "capability-missing") return;
  const isThere = await bus.call("grant.show", { grant }).then(
    () => true,
    () => false,
  );
  if (isThere) return;
  throw new Fault(
    "not-found",
    `no living grant ${printable(grant)} is known to this identity`,
    "`sesame grant list` shows its grants; without `--grant` any of them counts that fits",
  );
}

function explained(cause: unknown, identity: string): unknown {
  if (!(cause instanceof Denial)) return cause;
  if (cause.code === "program-missing") return new ExecFault(NOT_FOUND, cause.message, cause.hint);
  if (cause.code === "program-refused")
    return new ExecFault(NOT_EXECUTABLE, cause.message, cause.hint);
  if (cause.code === "capability-missing")
    return new Fault(
      "denied",
      "no grant lets this identity run that command with these secrets",
      `the operator grants it: sesame grant create --to ${identity} --scope secret-use:NAMES -- PROGRAM ARGUMENT…`,
    );
  if (cause.code === "owner-absent")
    return new Fault(
      "unavailable",
      cause.message,
      "`sesame status` shows what runs; `sesame init` adds the launcher to older installations",
    );
  return cause;
}
