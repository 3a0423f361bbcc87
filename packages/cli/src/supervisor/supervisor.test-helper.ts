import { spawn, type ChildProcess, type SpawnOptions } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { pathsFrom, type Paths } from "@sesame/core-ipc/daemon";
import { holderOf } from "./lock-file.ts";

const urlOf = (file: string): string => JSON.stringify(new URL(file, import.meta.url).href);

/** Stands in for a daemon: readiness, end of the parent, SIGTERM. Notes what happens to it. */
const DAEMON = `
import { appendFileSync, existsSync, unlinkSync, writeSync, closeSync } from "node:fs";
import { createServer, Socket } from "node:net";
const { name, events, behaviour, socket } = JSON.parse(process.argv[1]);
const note = (event) => appendFileSync(events, [name, event, process.pid].join(" ") + "\\n");
const end = (event, code) => { note(event); process.exit(code); };
note("start");
if (behaviour === "unset") {
  const hint = "run \`sesame init\`";
  console.error(JSON.stringify({ level: "error", daemon: name, event: "not set up", hint }));
  end("exit", 78);
}
if (behaviour === "crash") { console.error("no space on the moon"); end("exit", 74); }
process.on("SIGTERM", () => setTimeout(end, 50, "term", 0));
const parent = new Socket({ fd: Number(process.env.SESAME_PARENT_FD) });
parent.on("close", () => end("orphan", 0)).resume();
if (behaviour === "env") note(Object.keys(process.env).sort().join());
if (socket) {
  if (existsSync(socket)) { note("stale"); unlinkSync(socket); }
  createServer().listen(socket, () => setTimeout(ready, 100));
} else ready();
function ready() {
  note("ready");
  writeSync(Number(process.env.SESAME_READY_FD), "READY=1\\n");
  closeSync(Number(process.env.SESAME_READY_FD));
}
`;

/** The supervisor as a program: options as JSON; a fault is shown as JSON on stderr. */
const SUPERVISOR = `
import { runSupervisor } from ${urlOf("./supervisor.ts")};
try { process.exitCode = await runSupervisor(JSON.parse(process.argv[2])); }
catch ({ exit, message, hint }) {
  console.error(JSON.stringify({ exit, message, hint }));
  process.exitCode = 1;
}
`;

/** A command that starts the daemons on demand, then ends by itself. */
const COMMAND = `
import { startDetached } from ${urlOf("./start.ts")};
const shown = await startDetached(JSON.parse(process.argv[2])).catch(({ exit }) => ({ exit }));
console.log(JSON.stringify(shown));
`;

export type Behaviour = "serve" | "unset" | "crash" | "env";

export type Event = { readonly name: string; readonly event: string; readonly pid: number };

/** An installation of its own, with the supervisor as a program. */
export class World {
  readonly folder = mkdtempSync(join(tmpdir(), "sesame-supervisor-"));
  readonly paths: Paths;
  readonly #events = join(this.folder, "events");

  constructor(t: TestContext) {
    const runtime = join(this.folder, "run");
    mkdirSync(runtime, { mode: 0o700 });
    this.paths = pathsFrom({ HOME: this.folder, XDG_RUNTIME_DIR: runtime });
    writeFileSync(join(this.folder, "supervisor.mjs"), SUPERVISOR);
    writeFileSync(join(this.folder, "command.mjs"), COMMAND);
    t.after(async () => {
      const pid = holderOf(this.paths);
      if (pid !== null) process.kill(pid, "SIGKILL");
      await until(() => this.events().every((event) => !isAlive(event.pid)));
      rmSync(this.folder, { recursive: true });
    });
  }

  /** Arguments of Node for the supervisor over two daemons. */
  supervisor(first: Behaviour, second: Behaviour, foreground = false): string[] {
    const { paths } = this;
    const behaviours = { "daemon-profile": first, "daemon-secrets": second };
    const daemons = Object.entries(behaviours).map(([name, behaviour]) => {
      const socket = name === "daemon-profile" ? paths.socket : null;
      const options = JSON.stringify({ name, events: this.#events, behaviour, socket });
      const args = ["--input-type=module", "-e", DAEMON, "--", options];
      return { name, command: process.execPath, args };
    });
    const options = JSON.stringify({ paths, daemons, foreground });
    return [join(this.folder, "supervisor.mjs"), options];
  }

  /** Options for startDetached. */
  start(args = this.supervisor("serve", "serve"), timeoutMs = 15_000) {
    return { paths: this.paths, command: process.execPath, args, timeoutMs };
  }

  run(t: TestContext, args: readonly string[], options: SpawnOptions = {}): ChildProcess {
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"], ...options });
    t.after(() => child.kill("SIGKILL"));
    return child;
  }

  /** Arguments of Node for a command that starts the daemons on demand. */
  command(start = this.start()): string[] {
    return [join(this.folder, "command.mjs"), JSON.stringify(start)];
  }

  events(): Event[] {
    if (!existsSync(this.#events)) return [];
    const lines = readFileSync(this.#events, "utf8").split("\n").slice(0, -1);
    return lines.map((line) => {
      const [name = "", event = "", pid] = line.split(" ");
      return { name, event, pid: Number(pid) };
    });
  }

  /** Pids that reported the event, in order. */
  pids(name: string, event: string): number[] {
    return this.events()
      .filter((noted) => noted.name === name && noted.event === event)
      .map(({ pid }) => pid);
  }

  story(): string[] {
    return this.events().map(({ name, event }) => `${name} ${event}`);
  }
}

/** Waits for other processes; the test's own time limit bounds it. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await delay(10);
}

/** False for a zombie too: who inherits orphans need not reap them. */
export function isAlive(pid: number): boolean {
  const stat = statOf(pid);
  return stat !== null && stat[0] !== "Z";
}

/** Session of a process. proc_pid_stat(5), field 6 */
export function sessionOf(pid: number): number {
  return Number(statOf(pid)?.[3]);
}

/** Fields of /proc/PID/stat after the name, the state first. */
function statOf(pid: number): string[] | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  } catch {
    return null;
  }
}
