import { spawn, type ChildProcess } from "node:child_process";
import { Duplex } from "node:stream";
import { EXIT_CODES } from "@sesame/core-types";
import { errorCode } from "@sesame/core-ipc/daemon";
import { PARENT_FD, READY_FD } from "./environment.ts";
import { onReports } from "./readiness.ts";

export type DaemonCommand = {
  readonly name: string;
  /** Absolute path of a program. */
  readonly command: string;
  readonly args: readonly string[];
};

export type DaemonHost = {
  readonly environment: Readonly<Record<string, string>>;
  /** Takes what the daemon prints. */
  readonly output: number;
  readonly ready: () => void;
  /**
   * Called once; `code` is null after a signal. `problem` is the system's reason if the program
   * could not be started.
   */
  readonly exit: (code: number | null, problem: string | null) => void;
};

const READY = 3;
const PARENT = 4;

/**
 * Starts a daemon in a session of its own, so that Ctrl-C on a terminal reaches the supervisor
 * only, which knows the order. The other end of the parent pipe is held by this process alone and
 * never written: the daemon reads its end of file when this process is gone, even by kill -9.
 *
 * @returns null if the system refused; `exit` follows
 */
export function startDaemon(daemon: DaemonCommand, host: DaemonHost): ChildProcess | null {
  const { environment, output } = host;
  const env = { ...environment, [READY_FD]: String(READY), [PARENT_FD]: String(PARENT) };
  const stdio = ["ignore", output, output, "pipe", "pipe"] as const;
  let child: ChildProcess;
  try {
    child = spawn(daemon.command, daemon.args, {
      detached: true,
      cwd: "/",
      env,
      stdio: [...stdio],
    });
  } catch (cause) {
    process.nextTick(host.exit, null, errorCode(cause));
    return null;
  }
  const readyPipe = pipeOf(child, READY);
  const parentPipe = pipeOf(child, PARENT);
  if (readyPipe !== null)
    onReports(readyPipe, (report) => {
      if (report.type === "ready") host.ready();
    });
  const gone = (): void => {
    readyPipe?.removeAllListeners("data").destroy();
    parentPipe?.destroy();
  };
  child.once("exit", (code) => {
    gone();
    host.exit(code, null);
  });
  child.on("error", (cause) => {
    if (child.pid !== undefined) return;
    gone();
    const problem = errorCode(cause);
    const missing = ["ENOENT", "EACCES"].includes(problem);
    host.exit(missing ? EXIT_CODES.config.code : null, problem);
  });
  return child;
}

function pipeOf(child: ChildProcess, fd: number): Duplex | null {
  const pipe = child.stdio[fd];
  if (!(pipe instanceof Duplex)) return null;
  return pipe.on("error", () => undefined).resume();
}
