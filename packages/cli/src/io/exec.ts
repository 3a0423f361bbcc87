import { accessSync, closeSync, constants, openSync, readSync, statSync } from "node:fs";
import { delimiter, join } from "node:path";
import { resetSignals, restoreNofile } from "@sesame/native";
import { Fault } from "@sesame/core-types";
import { printable } from "../printable.ts";
import type { Outcome } from "../render.ts";

// What shells answer: POSIX.1-2024 XCU §2.8.2.
export const NOT_EXECUTABLE = 126;
export const NOT_FOUND = 127;

/** A command that cannot be run, with the exit code that a shell would give. */
export class ExecFault extends Fault {
  readonly status: number;

  constructor(status: number, message: string, hint: string) {
    super("not-found", message, hint);
    this.status = status;
  }
}

/**
 * The file that a command names, as execvp(3) finds it. Checked before anything is fetched, so
 * that a mistyped command leaves no trace of a release.
 */
export function findProgram(
  command: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): string {
  const [name] = command;
  if (name === undefined || name === "")
    throw new Fault("usage", "no command is given", "`sesame env -p PROFILE -- COMMAND …`");
  const hint = name.startsWith("-") ? "put `--` before the command" : "check its spelling";
  const candidates = name.includes("/")
    ? [name]
    : (env["PATH"] ?? "/usr/local/bin:/usr/bin:/bin")
        .split(delimiter)
        .map((directory) => join(directory === "" ? "." : directory, name));
  let found = false;
  for (const path of candidates) {
    const kind = kindOf(path);
    // Nothing is said of what merely lies on the way through PATH.
    found ||= kind === "file" || (kind !== "absent" && name.includes("/"));
    if (kind !== "file") continue;
    if (isExecutable(path)) return path;
  }
  throw found
    ? new ExecFault(NOT_EXECUTABLE, `${printable(name)}: not executable`, "chmod +x it")
    : new ExecFault(NOT_FOUND, `${printable(name)}: command not found`, hint);
}

/** Replaces this process by the program: same pid, terminal, signals and exit code. */
export function become(
  program: string,
  command: readonly string[],
  env: Readonly<Record<string, string>>,
): Outcome {
  const [file, args] = isLoadable(program)
    ? [program, [...command]]
    : // A script without an interpreter line goes to the shell, as execvp(3) does it.
      ["/bin/sh", [command[0] ?? program, program, ...command.slice(1)]];
  // Node ignores SIGPIPE and raises the limit of open files; neither is the program's business.
  resetSignals();
  restoreNofile();
  process.execve?.(file as string, args as string[], { ...env });
  throw new Fault("fault", "this Node cannot replace its process", "use the Node that is pinned");
}

/** `other` is a directory and the like, or what may not be looked at. */
function kindOf(path: string): "file" | "other" | "absent" {
  try {
    const stat = statSync(path, { throwIfNoEntry: false });
    return stat === undefined ? "absent" : stat.isFile() ? "file" : "other";
  } catch {
    return "other";
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** An ELF file, or a script whose interpreter is there. */
function isLoadable(path: string): boolean {
  const head = headOf(path);
  if (head === null) return true;
  if (head.subarray(0, 4).equals(Buffer.from("\x7fELF", "latin1"))) return true;
  if (head.subarray(0, 2).toString("latin1") !== "#!") return false;
  const interpreter = /^#![ \t]*([^ \t\n]+)/.exec(head.toString("latin1"))?.[1] ?? "";
  if (statSync(interpreter, { throwIfNoEntry: false }) === undefined)
    throw new ExecFault(
      NOT_EXECUTABLE,
      `${printable(path)}: its interpreter ${printable(interpreter)} is missing`,
      "install it, or correct the first line of the script",
    );
  return true;
}

/** First bytes of a file; null if it may be run but not read. */
function headOf(path: string): Buffer | null {
  let fd: number;
  try {
    fd = openSync(path, "r");
  } catch {
    return null;
  }
  try {
    const head = Buffer.alloc(256);
    return head.subarray(0, readSync(fd, head));
  } finally {
    closeSync(fd);
  }
}
