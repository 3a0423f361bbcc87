import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";

/** URL of the package's face, for the import statements of child scripts. */
export const FACE = JSON.stringify(new URL("./index.ts", import.meta.url).href);

/** Starts Node on the text of an ES module; its arguments are process.argv.slice(1). */
export function startNode(script: string, ...args: string[]): ChildProcess {
  const options = ["--input-type=module", "-e", script, "--", ...args];
  return spawn(process.execPath, options, { stdio: ["pipe", "pipe", "inherit"] });
}

/** The first line that the child prints; rejects when it ends before. */
export async function firstLine(child: ChildProcess): Promise<string> {
  if (child.stdout === null) throw new Error("the child has no stdout");
  let line = "";
  for await (const chunk of child.stdout.iterator({ destroyOnReturn: false })) {
    line += String(chunk);
    if (line.endsWith("\n")) return line;
  }
  throw new Error("the child ended without a line of output");
}

/** All that the child prints, once it has ended well. */
export async function wholeOutput(child: ChildProcess): Promise<string> {
  if (child.stdout === null) throw new Error("the child has no stdout");
  const [output, [code]] = await Promise.all([text(child.stdout), once(child, "close")]);
  if (code !== 0) throw new Error(`the child ended with ${code}`);
  return output;
}

/** SIGKILL, then waits until the child has been reaped. */
export async function killAndReap(child: ChildProcess): Promise<void> {
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;
}

/** A folder of its own for the test, removed afterwards. */
export function temporaryFolder(t: { after(f: () => void): void }): string {
  const folder = mkdtempSync(join(tmpdir(), "sesame-native-"));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** Open descriptors of this process whose /proc link matches, with their flags (open(2)). */
export function openDescriptors(link: RegExp): { fd: number; flags: number }[] {
  return readdirSync("/proc/self/fd").flatMap((name) => {
    try {
      if (!link.test(readlinkSync(`/proc/self/fd/${name}`))) return [];
      const info = readFileSync(`/proc/self/fdinfo/${name}`, "latin1");
      return [{ fd: Number(name), flags: parseInt(/^flags:\s+(\d+)/m.exec(info)?.[1] ?? "", 8) }];
    } catch {
      return []; // the descriptor of the listing itself
    }
  });
}
