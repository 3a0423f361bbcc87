import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { residentKiB } from "../../helpers/process-memory.ts";
import { interleave, type Bench } from "../scenario.ts";

const PROGRAM = fileURLToPath(new URL("../confined-main.ts", import.meta.url));
const MESSAGES = 5_000;

type Run = { readonly startMs: number; readonly perMessageUs: number };

/** What it costs a process to be confined, beside the same program unconfined. */
export async function confinement(bench: Bench) {
  const folder = bench.directory();
  const count = String(bench.count(MESSAGES));
  const runs = await interleave(bench.rounds, {
    confined: () => run("confined", folder, count),
    plain: () => run("plain", folder, count),
  });
  const home = await bench.home();
  const resident = (daemon: "daemon-profile" | "daemon-secrets"): number[] => [
    residentKiB(home.pidOf(daemon)) / 1_024,
  ];
  return {
    "start-up": {
      ours: runs.confined.map(({ startMs }) => startMs),
      beside: { name: "unconfined", values: runs.plain.map(({ startMs }) => startMs) },
    },
    "256 B through a socket": {
      ours: runs.confined.map(({ perMessageUs }) => perMessageUs),
      beside: { name: "unconfined", values: runs.plain.map(({ perMessageUs }) => perMessageUs) },
    },
    "memory of daemon-profile": { ours: resident("daemon-profile") },
    "memory of daemon-secrets": { ours: resident("daemon-secrets") },
  };
}

async function run(mode: string, folder: string, count: string): Promise<Run> {
  const start = performance.now();
  const child = spawn(process.execPath, ["--no-warnings", PROGRAM, mode, folder, count], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ended = once(child, "exit");
  if ((await lines.next()).value !== "ready") throw new Error(`the ${mode} process did not start`);
  const startMs = performance.now() - start;
  const { perMessageUs } = JSON.parse((await lines.next()).value as string) as Run;
  await ended;
  return { startMs, perMessageUs };
}
