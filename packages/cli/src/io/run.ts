import { execFile } from "node:child_process";
import { errorCode } from "@sesame/core-ipc/daemon";
import { Fault } from "@sesame/core-types";

/** Milliseconds; longer than the units give their services to start or stop. */
const TIMEOUT_MS = 60_000;

export type RunOptions = {
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** As whom; only root may choose. */
  readonly uid?: number;
  readonly gid?: number;
  /** What to do if it fails. */
  readonly hint: string;
};

/**
 * Runs another program to its end.
 *
 * @returns what it printed, without white space around it
 * @throws {Fault} unavailable, with its reason
 */
export function run(
  program: string,
  args: readonly string[],
  { hint, ...options }: RunOptions,
): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const all = { ...options, cwd: "/", timeout: TIMEOUT_MS, encoding: "utf8" } as const;
  execFile(program, args, all, (cause, stdout, stderr) => {
    if (cause === null) return resolve(stdout.trim());
    const [reason = ""] = stderr.trim().split("\n");
    const why = reason === "" ? errorCode(cause) : reason;
    reject(new Fault("unavailable", `${program} ${args[0] ?? ""}: ${why}`, hint, cause));
  });
  return promise;
}
