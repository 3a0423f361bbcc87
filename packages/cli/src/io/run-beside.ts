import { spawn } from "node:child_process";
import { constants } from "node:os";
import { isatty } from "node:tty";
import { ExecFault, findProgram } from "./exec.ts";

const FORWARDED = ["SIGTERM", "SIGHUP", "SIGUSR2", "SIGINT", "SIGQUIT"] as const;
/** A terminal gives these to every program in front of it by itself. */
const OF_TERMINAL: readonly NodeJS.Signals[] = ["SIGINT", "SIGQUIT"];

/**
 * Runs a program on this terminal while this process goes on, and hands signals on to it.
 *
 * @returns its exit code; 128 and the signal's number if one ended it
 */
export async function runBeside(
  command: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Promise<number> {
  const program = findProgram(command, env);
  const [name = program, ...args] = command;
  const child = spawn(program, args, { argv0: name, env, stdio: "inherit" });
  const forward = (signal: NodeJS.Signals): void => {
    if (!isatty(0) || !OF_TERMINAL.includes(signal)) child.kill(signal);
  };
  for (const signal of FORWARDED) process.on(signal, forward);
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  child.on("error", (cause) => {
    reject(new ExecFault(126, `${name} cannot be run: ${cause.message}`, "check the program"));
  });
  child.on("exit", (code, signal) =>
    resolve(signal === null ? (code ?? 0) : 128 + constants.signals[signal]),
  );
  try {
    return await promise;
  } finally {
    for (const signal of FORWARDED) process.off(signal, forward);
  }
}
