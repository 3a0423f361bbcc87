import { realpathSync } from "node:fs";
import { constants } from "node:os";
import { resolve } from "node:path";
import type { BusClient } from "@sesame/core-ipc/client";
import { Denial, Fault, limits, RUN_SIGNALS, type Command } from "@sesame/core-types";
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
  const command: Command = {
    path: resolve(findProgram(words, context.env)),
    args,
    directory: realpathSync("."),
    plain: flags.redact === false,
  };
  const code = await withBus(context, async (bus) => {
    const profile = await chosenProfile(context, bus, flags.profile);
    try {
      return await runCommand(bus, command, {
        profile,
        names: listOf(flags.only),
        files: listOf(flags.file) ?? [],
        grant: flags.grant ?? null,
        approval: flags,
      });
    } catch (cause) {
      throw explained(cause, context.identity);
    }
  });
  process.exitCode = code;
  return { text: "", data: undefined };
}

type Wish = {
  readonly profile: string;
  readonly names: string[] | null;
  readonly files: string[];
  readonly grant: string | null;
  readonly approval: ApprovalFlags;
};

async function runCommand(bus: BusClient, command: Command, wish: Wish): Promise<number> {
  const { profile, names, grant, files } = wish;
  const { ticket } = await approved(bus, wish.approval, () =>
    bus.call("secret.use", { profile, names, grant, command }),
  );
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
      await bus.call("run.write", { run, data, end: false }, { signal: over });
    }
  if (!over.aborted)
    await bus.call("run.write", { run, data: new Uint8Array(0), end: true }, { signal: over });
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
  if (names.every((name) => name !== "")) return names;
  throw new Fault("usage", "an empty name of a secret", "separate names by single commas");
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
