import { spawnSync } from "node:child_process";

/** Debian's own, whose packages apt installs; another python3 may come first in PATH. */
export const PYTHON = "/usr/bin/python3";

/** Runs a program of Debian's Python to its end. */
export function python(
  args: readonly string[],
  input: string | Uint8Array = "",
): { readonly exit: number | null; readonly out: string; readonly err: string } {
  const { status, stdout, stderr } = spawnSync(PYTHON, args, { input, encoding: "utf8" });
  return { exit: status, out: stdout ?? "", err: stderr ?? "" };
}

/** Why tests that need these modules are skipped, or false. A machine that must have them fails. */
export function withoutModules(...modules: readonly string[]): string | false {
  if (process.env["CI"] === "true") return false;
  const { exit } = python(["-c", `import ${modules.join(", ")}`]);
  return exit !== 0 && `Debian's Python has no ${modules.join(", ")}`;
}
