// Asks the person at the terminal. Questions go to stderr, so stdout stays clean for pipes. If
// stdin is no terminal, answers are its lines, one per question.
import { once } from "node:events";
import { closeSync, constants, openSync, readSync } from "node:fs";
import { isatty, ReadStream } from "node:tty";
import { Fault, limits } from "@sesame/core-types";
import { HiddenLine } from "../hidden-line.ts";
import { printable } from "../printable.ts";
import { readLine } from "./stdin.ts";

const STDIN = 0;

/** Longest answer to a yes-or-no question, in bytes. */
const MAX_ANSWER_BYTES = 64;

/** Signals that end the program: the terminal has to be set right first. */
const ENDING = ["SIGTERM", "SIGHUP", "SIGQUIT"] as const;

const NO_INPUT_HINT = "run it on a terminal, or give the line on stdin";
const NO_TERMINAL_HINT =
  "run it on a terminal, or give the passphrase on a descriptor: SESAME_KEY_FD=3 sesame … 3< FILE";

/** Asks one question and takes the line that is typed, unseen. */
type Ask = (question: string) => Promise<Uint8Array<ArrayBuffer>>;

/**
 * Asks for a secret without showing it.
 *
 * @returns at most 4096 bytes without the line end, possibly none; the caller wipes them
 * @throws {Fault} interrupted: Ctrl-C, or Ctrl-D on an empty line; data: too long;
 *   unavailable: the input ended
 */
export async function promptHidden(question: string): Promise<Uint8Array<ArrayBuffer>> {
  return isatty(STDIN) ? onTerminal((ask) => ask(question)) : lineOfStdin();
}

/**
 * Asks for a new password: twice on a terminal, once on stdin.
 *
 * @returns 1 to 4096 bytes; the caller wipes them
 * @throws {Fault} data: empty, too long, or the two differ; and as `promptHidden`
 */
export async function promptNewPassword(
  question: string,
  again: string,
): Promise<Uint8Array<ArrayBuffer>> {
  return isatty(STDIN) ? promptNewOnTerminal(question, again) : notEmpty(lineOfStdin());
}

/**
 * As `promptHidden`, always on the terminal: stdin may carry something else.
 *
 * @throws {Fault} unavailable: there is no terminal; and as `promptHidden`
 */
export async function promptOnTerminal(question: string): Promise<Uint8Array<ArrayBuffer>> {
  return onTerminal((ask) => ask(question));
}

/** As `promptNewPassword`, always on the terminal. */
export async function promptNewOnTerminal(
  question: string,
  again: string,
): Promise<Uint8Array<ArrayBuffer>> {
  return onTerminal(async (ask) => {
    const first = notEmpty(await ask(question));
    try {
      const second = await ask(again);
      const same = equal(first, second);
      second.fill(0);
      if (!same) throw new Fault("data", "the two passwords differ", "nothing was changed");
    } catch (error) {
      first.fill(0);
      throw error;
    }
    return first;
  });
}

/** Asks a question whose answer is no unless it is `y` or `yes`; the end of the input is a no. */
export function confirm(question: string): boolean {
  discardTyped();
  process.stderr.write(`${printable(question)} [y/N] `);
  const answer = readLine(MAX_ANSWER_BYTES);
  return answer !== null && /^\s*y(?:es)?\s*$/i.test(new TextDecoder().decode(answer));
}

/** Asks a question and returns the word that is typed; the end of the input is an empty one. */
export function choose(question: string): string {
  discardTyped();
  process.stderr.write(printable(question));
  const answer = readLine(MAX_ANSWER_BYTES);
  return answer === null ? "" : new TextDecoder().decode(answer).trim();
}

/**
 * What was typed before a question is shown is no answer to it: it was meant for another one, or
 * somebody has put this one in its way.
 */
function discardTyped(): void {
  if (!isatty(STDIN)) return;
  const terminal = openTerminal();
  try {
    // A line that has no end yet is read in this mode alone.
    terminal.setRawMode(true);
    drain();
  } finally {
    terminal.setRawMode(false);
    terminal.destroy();
  }
}

/** Reads what there is, and waits for nothing. */
function drain(): void {
  const bytes = new Uint8Array(new ArrayBuffer(MAX_ANSWER_BYTES));
  let descriptor: number | null = null;
  try {
    descriptor = openSync(
      `/proc/self/fd/${STDIN}`,
      constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY,
    );
    while (readSync(descriptor, bytes) > 0);
  } catch {
    // There is no more, or no terminal to read ahead from.
  } finally {
    bytes.fill(0);
    if (descriptor !== null) closeSync(descriptor);
  }
}

/** Raw mode while `use` runs: nothing is echoed, and what is typed ahead waits for its question. */
async function onTerminal<T>(use: (ask: Ask) => Promise<T>): Promise<T> {
  const terminal = openTerminal();
  const interruption = new AbortController();
  const interrupt = (): void => interruption.abort();
  const die = (signal: NodeJS.Signals): void => {
    terminal.setRawMode(false);
    // Without a listener the signal has its native effect, and the parent sees it.
    for (const name of ENDING) process.off(name, die);
    process.kill(process.pid, signal);
  };
  process.on("SIGINT", interrupt);
  for (const signal of ENDING) process.on(signal, die);
  try {
    terminal.setRawMode(true);
    return await use((question) => askHidden(question, terminal, interruption.signal));
  } finally {
    terminal.read()?.fill(0);
    if (!terminal.destroyed) terminal.setRawMode(false);
    terminal.destroy();
    process.off("SIGINT", interrupt);
    for (const signal of ENDING) process.off(signal, die);
  }
}

async function askHidden(
  question: string,
  terminal: ReadStream,
  interruption: AbortSignal,
): Promise<Uint8Array<ArrayBuffer>> {
  const line = new HiddenLine();
  process.stderr.write(printable(question));
  try {
    for (;;) {
      const typed = line.type(await nextByte(terminal, interruption));
      if (typed === "done" && !line.overflowed) return line.bytes;
      if (typed === "done") throw tooLong();
      if (typed !== "more") throw interrupted();
    }
  } catch (error) {
    line.wipe();
    throw error;
  } finally {
    process.stderr.write("\n");
  }
}

/** Takes one byte and wipes it where it was buffered. */
async function nextByte(terminal: ReadStream, interruption: AbortSignal): Promise<number> {
  for (;;) {
    const chunk: Uint8Array | null = terminal.read(1);
    const byte = chunk?.[0];
    chunk?.fill(0);
    if (byte !== undefined) return byte;
    if (interruption.aborted) throw interrupted();
    if (terminal.readableEnded || terminal.destroyed) throw closed();
    try {
      // Emitted at the end of the input as well; an error of the stream rejects.
      await once(terminal, "readable", { signal: interruption });
    } catch (error) {
      throw interruption.aborted ? interrupted() : closed(error);
    }
  }
}

/** The controlling terminal; stdin, which is one, where there is none (`docker exec -t`). */
function openTerminal(): ReadStream {
  let descriptor: number;
  try {
    descriptor = openSync("/dev/tty", "r+");
  } catch {
    if (isatty(STDIN)) return new ReadStream(STDIN);
    throw new Fault("unavailable", "there is no terminal to ask on", NO_TERMINAL_HINT);
  }
  try {
    return new ReadStream(descriptor);
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
}

function lineOfStdin(): Uint8Array<ArrayBuffer> {
  const line = readLine(limits.MAX_PASSWORD_BYTES);
  if (line === null) throw new Fault("unavailable", "there was nothing on stdin", NO_INPUT_HINT);
  return line;
}

function notEmpty(password: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  if (password.length > 0) return password;
  throw new Fault("data", "an empty password is refused", "nothing was changed");
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  let difference = a.length ^ b.length;
  for (const [index, byte] of a.entries()) difference |= byte ^ (b[index] ?? 0);
  return difference === 0;
}

function interrupted(): Fault {
  return new Fault("interrupted", "stopped at the prompt", "nothing was changed");
}

function closed(cause?: unknown): Fault {
  return new Fault("unavailable", "the terminal was closed", NO_INPUT_HINT, cause);
}

function tooLong(): Fault {
  const most = limits.MAX_PASSWORD_BYTES;
  return new Fault("data", `the line is longer than ${most} bytes`, "use a shorter one");
}
