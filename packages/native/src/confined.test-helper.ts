import { spawn, type ChildProcess } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { FACE } from "./child.test-helper.ts";
import type { PathRule } from "./index.ts";

const source = dirname(fileURLToPath(import.meta.url));
const root = join(source, "../../..");

/** What a test program reads: the repository's code and packages. */
export const CODE: readonly PathRule[] = [
  { path: join(root, "packages"), access: "read" },
  { path: join(root, "node_modules"), access: "read" },
  { path: join(root, "package.json"), access: "read" },
];

export interface Confined {
  /** Text of an ES module; `folder` is its own to write in, `args` are its arguments. */
  readonly script: string;
  readonly folder: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** As whom; only for root. */
  readonly uid?: number;
  /** "no" runs the same script without any sandbox. */
  readonly sandbox?: "yes" | "no";
  readonly rules?: readonly PathRule[];
}

/**
 * Starts Node, which confines itself by sandboxExec() and then runs the script. All that the
 * script may write to is its folder.
 */
export function startConfined(options: Confined): ChildProcess {
  const { script, folder, args = [], env = {}, uid, sandbox = "yes", rules = [] } = options;
  const allowed = [...CODE, { path: folder, access: "read-write-create" }, ...rules];
  const program = `import * as face from ${FACE}; const [folder, ...args] = process.argv.slice(1);
    ${script}`;
  const entered = ["--input-type=module", "-e", program, "--", folder, ...args];
  const become =
    uid === undefined
      ? ""
      : `process.setgroups([]); process.setgid(${uid}); process.setuid(${uid});`;
  const enter = `
    import { sandboxExec, sandboxEnvironment, nodeRules } from ${FACE};
    ${become}
    sandboxExec({
      rules: [...nodeRules(), ...${JSON.stringify(allowed)}],
      argv: [process.execPath, ...${JSON.stringify(entered)}],
      env: { ...sandboxEnvironment(), ...${JSON.stringify(env)} },
    });`;
  const argv = sandbox === "yes" ? ["--input-type=module", "-e", enter] : entered;
  return spawn(process.execPath, argv, {
    stdio: ["pipe", "pipe", "pipe"],
    env: { ...process.env, ...env },
  });
}
