import { opendirSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, sep } from "node:path";
import { Fault } from "@sesame/core-types";
import {
  addonPath,
  landlockAbi,
  nodeRules,
  sandboxEnvironment,
  sandboxExec,
  threadStates,
  type PathRule,
} from "@sesame/native";
import { errorCode } from "./files.ts";

/** In the environment of the confined program; a claim, which is then checked. */
const MARK = "SESAME_CONFINED";

/** Modules with native parts, which stay outside the bundle. */
const NATIVE_MODULE = "sodium-native";

/**
 * Confines this process to the given files, for every thread that it will ever have: replaces it
 * by the same program under the same pid. Returns in the confined program only, and only if the
 * confinement is really in force there.
 *
 * @throws {Fault} config, if the kernel cannot do it
 */
export function enterSandbox(rules: readonly PathRule[]): void {
  if (process.env[MARK] !== undefined) {
    delete process.env[MARK];
    checkConfined();
    return;
  }
  try {
    sandboxExec({
      rules: [...nodeRules(), ...codeRules(), ...rules],
      argv: [process.execPath, ...process.execArgv, ...process.argv.slice(1)],
      env: { ...sandboxEnvironment(), [MARK]: "1" },
      keepFds: inheritedDescriptors(),
    });
  } catch (cause) {
    if (errorCode(cause) === "ERR_SESAME_LANDLOCK")
      throw new Fault(
        "config",
        `the daemons cannot confine themselves: ${(cause as Error).message}`,
        "use a kernel of version 5.13 or later with Landlock enabled (`lsm=landlock,…`)",
        cause,
      );
    throw cause;
  }
}

/** The kernel's Landlock, asked while it could be: a serving daemon may not ask any more. */
let abi = 0;

export function sandboxAbi(): number {
  return abi;
}

/** Measured: a directory that no rule names is out of reach. */
export function isConfined(): boolean {
  try {
    opendirSync("/").closeSync();
    return false;
  } catch (cause) {
    return errorCode(cause) === "EACCES";
  }
}

/** The mark is a claim; only what was measured counts. */
function checkConfined(): void {
  abi = landlockAbi();
  const threads = threadStates();
  const filtered = threads.every(({ filters, noNewPrivs }) => filters > 0 && noNewPrivs);
  if (!isConfined() || !filtered)
    throw new Fault(
      "config",
      "the daemon was started as confined, and is not",
      "start it through `sesame daemon start` or its unit; unset SESAME_CONFINED",
    );
}

/** The bundle, the addon, and the packages that it loads. */
function codeRules(): PathRule[] {
  const bundle = process.argv[1] ?? "";
  const parts = createRequire(bundle).resolve(NATIVE_MODULE).split(sep);
  const modules = parts.slice(0, parts.lastIndexOf("node_modules") + 1).join(sep);
  return [dirname(bundle), dirname(addonPath()), modules].map((path) => ({ path, access: "read" }));
}

/** Those of the supervisor, and sockets that systemd hands over. sd_listen_fds(3) */
function inheritedDescriptors(): number[] {
  const named = ["SESAME_READY_FD", "SESAME_PARENT_FD"].flatMap((name) => numberOf(name) ?? []);
  const sockets =
    numberOf("LISTEN_PID") === process.pid ? Math.min(numberOf("LISTEN_FDS") ?? 0, 16) : 0;
  return [...named, ...Array.from({ length: sockets }, (_, i) => 3 + i)];
}

function numberOf(variable: string): number | null {
  const number = Number(process.env[variable] ?? Number.NaN);
  return Number.isInteger(number) ? number : null;
}
