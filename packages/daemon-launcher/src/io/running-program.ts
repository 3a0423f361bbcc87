import { spawn, type ChildProcess } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import type { Readable } from "node:stream";
import { errorCode } from "@sesame/core-ipc/daemon";
import { Denial, limits, type Command, type Result } from "@sesame/core-types";
import { sealedMemfd } from "@sesame/native";
import type { FileSecret } from "../environment.ts";
import type { Output } from "../run/output.ts";
import type { StopReason } from "../run/runs.ts";
import { endRemains } from "./remains.ts";

export type ProgramOptions = {
  readonly command: Command;
  /** The opened program; the descriptor may be closed afterwards. */
  readonly program: number;
  /** The opened directory, likewise. */
  readonly directory: number;
  readonly variables: Readonly<Record<string, string>>;
  readonly files: readonly FileSecret[];
  /** In its environment, and found by it. */
  readonly mark: string;
  readonly output: Output;
  readonly errors: Output;
  /** Called once, when the program has ended and nothing of it is left. */
  readonly ended: (end: End) => void;
};

export type End = {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stopped: StopReason | null;
};

/** Where the program lies among its own descriptors, after stdin, stdout and stderr. */
const PROGRAM_SLOT = 3;
const LAST_SLOT = PROGRAM_SLOT + limits.MAX_RUN_FILES;

/** A program that runs with secrets, and everything that it starts. docs/LAUNCHER.md, Runs. */
export class RunningProgram {
  /** Without the environment: the program has it, and it is not kept here. */
  readonly #options: Pick<ProgramOptions, "mark" | "output" | "errors" | "ended">;
  readonly #child: ChildProcess;
  readonly #wakers = new Set<() => void>();
  readonly #over = Promise.withResolvers<void>();
  #end: End | null = null;
  #closed = false;
  /** Resolves once the program's pipe has taken the last input; null: it has. */
  #written: Promise<void> | null = null;
  /** Somebody waits for that. */
  #isWaited = false;
  #stopped: StopReason | null = null;
  #kill: NodeJS.Timeout | undefined;
  #linger: NodeJS.Timeout | undefined;
  /** Bytes that came after the program had ended. */
  #after = 0;

  private constructor(options: ProgramOptions, child: ChildProcess) {
    const { mark, output, errors, ended } = options;
    this.#options = { mark, output, errors, ended };
    this.#child = child;
    this.#flow(child.stdout, options.output);
    this.#flow(child.stderr, options.errors);
    // A program may close its input whenever it likes.
    child.stdin?.on("error", () => undefined);
    child.on("exit", (code, signal) => this.#exited(code, signal));
    child.on("close", () => this.#close());
  }

  /**
   * Starts it.
   *
   * @throws {Denial} program-refused, if the kernel does not take it
   */
  static async start(options: ProgramOptions): Promise<RunningProgram> {
    const { path } = options.command;
    const child = spawnProgram(options);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    child.once("spawn", resolve);
    child.once("error", (cause) => reject(notTaken(path, cause)));
    const running = new RunningProgram(options, child);
    await promise;
    return running;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get hasEnded(): boolean {
    return this.#end !== null;
  }

  /** Resolves once it has ended. */
  get over(): Promise<void> {
    return this.#over.promise;
  }

  /** What came since the last call; waits for something to come, or for the end. */
  async read(waitMs: number): Promise<Result<"run.read">> {
    const { output, errors } = this.#options;
    if (output.empty && errors.empty && !this.#closed && waitMs > 0) await this.#change(waitMs);
    const read = { output: output.take(), errors: errors.take() };
    this.#resume();
    const end = this.#closed && output.empty && errors.empty ? this.#end : null;
    const code = end?.code ?? null;
    return { ...read, ended: end === null ? null : { ...end, code } };
  }

  /**
   * Takes input over, once the program has taken what came before. Resolves when the program's pipe
   * has taken this, too, or nobody will, or after MAX_RUN_WAIT_MS.
   *
   * @throws {Denial} busy; then nothing of it was taken over
   */
  async write(data: Uint8Array, end: boolean): Promise<void> {
    if (this.#written !== null) {
      if (this.#isWaited) throw new Denial("busy");
      this.#isWaited = true;
      const isTaken = await settles(this.#written, limits.MAX_RUN_WAIT_MS);
      this.#isWaited = false;
      if (!isTaken) throw new Denial("busy");
    }
    const { stdin } = this.#child;
    if (stdin === null || !stdin.writable) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const taken = promise.then(() => {
      stdin.off("close", resolve);
      this.#written = null;
    });
    this.#written = taken;
    stdin.once("close", resolve);
    stdin.write(data.slice(), () => resolve());
    if (end) stdin.end();
    await settles(taken, limits.MAX_RUN_WAIT_MS);
  }

  signal(signal: NodeJS.Signals): void {
    if (this.#end === null) signalGroup(this.pid, signal);
  }

  /** Ends it and all that it has started: politely, then at once. */
  stop(reason: StopReason): void {
    if (this.#end !== null || this.#stopped !== null) return;
    this.#stopped = reason;
    signalGroup(this.pid, "SIGTERM");
    this.#kill = setTimeout(() => this.#killAll(), limits.RUN_STOP_MS);
  }

  #exited(code: number | null, signal: NodeJS.Signals | null): void {
    clearTimeout(this.#kill);
    this.#end = { code, signal, stopped: this.#stopped };
    this.#killAll();
    this.#options.ended(this.#end);
    this.#over.resolve();
    this.#resume();
    this.#waitForRest();
  }

  /**
   * What the program left in its pipes is read to the end. A process that got away may hold them
   * open: nobody waits for it.
   */
  #waitForRest(): void {
    clearTimeout(this.#linger);
    if (this.#closed) return;
    const cut = (): void => {
      this.#child.stdout?.destroy();
      this.#child.stderr?.destroy();
    };
    if (this.#after > 2 * limits.MAX_PIPE_BYTES) cut();
    else
      this.#linger = setTimeout(() => {
        const { output, errors } = this.#options;
        // While the reader is behind, nothing is read.
        if (output.full || errors.full) this.#waitForRest();
        else cut();
      }, limits.RUN_LINGER_MS);
  }

  #killAll(): void {
    signalGroup(this.pid, "SIGKILL");
    endRemains(this.#options.mark);
  }

  #close(): void {
    clearTimeout(this.#linger);
    this.#closed = true;
    this.#options.output.end();
    this.#options.errors.end();
    this.#wake();
  }

  /** While its reader is behind, the program waits at its pipe. */
  #flow(from: Readable | null, to: Output): void {
    from?.on("data", (chunk: Buffer) => {
      to.push(chunk);
      chunk.fill(0);
      if (to.full) from.pause();
      if (this.#end !== null) {
        this.#after += chunk.length;
        this.#waitForRest();
      }
      this.#wake();
    });
    from?.on("error", () => undefined);
  }

  #resume(): void {
    const { output, errors } = this.#options;
    if (!output.full) this.#child.stdout?.resume();
    if (!errors.full) this.#child.stderr?.resume();
  }

  async #change(waitMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, waitMs);
    this.#wakers.add(resolve);
    await promise;
    clearTimeout(timer);
    this.#wakers.delete(resolve);
  }

  #wake(): void {
    for (const wake of this.#wakers) wake();
  }
}

/**
 * Program and directory are named by descriptors that were opened before: whatever lies at their
 * paths by now, these are what was judged. Scripts are read by their interpreter through the
 * program's own descriptor, so that one stays open.
 */
function spawnProgram(options: ProgramOptions): ChildProcess {
  const { command, program, directory, variables, files } = options;
  const opened: number[] = [];
  try {
    for (const { value } of files) opened.push(sealedMemfd(value));
    const slot = PROGRAM_SLOT + 1;
    const named = files.map(({ variable }, i) => [variable, `/proc/self/fd/${slot + i}`] as const);
    const inherited = [program, ...opened];
    const high = aboveSlots(directory, opened);
    try {
      return spawn(`/proc/self/fd/${PROGRAM_SLOT}`, [...command.args], {
        argv0: command.path,
        cwd: `/proc/self/fd/${high}`,
        env: { ...variables, ...Object.fromEntries(named) },
        stdio: ["pipe", "pipe", "pipe", ...inherited],
        // A session of its own: signals reach all of it, and it has no terminal.
        detached: true,
      });
    } catch (cause) {
      // Arguments that no program could get are told at once, other errors later.
      throw errorCode(cause) === "" ? cause : notTaken(command.path, cause);
    }
  } finally {
    for (const fd of opened) closeSync(fd);
  }
}

/**
 * A descriptor of the same directory that no slot of the program takes: between fork and exec these
 * are filled before the directory is entered.
 */
function aboveSlots(directory: number, opened: number[]): number {
  let fd = directory;
  while (fd <= LAST_SLOT) {
    fd = openSync(`/proc/self/fd/${directory}`, "r");
    opened.push(fd);
  }
  return fd;
}

function notTaken(path: string, cause: unknown): Denial {
  return new Denial("program-refused", `${path}: ${errorCode(cause)}`);
}

/** False if something is still under way after so many milliseconds. */
async function settles(work: Promise<void>, ms: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(false), ms);
  work.then(
    () => resolve(true),
    () => resolve(true),
  );
  const isSettled = await promise;
  clearTimeout(timer);
  return isSettled;
}

function signalGroup(pid: number, signal: NodeJS.Signals): void {
  if (pid <= 1) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // Nothing is left of it.
  }
}
