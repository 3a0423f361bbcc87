import { readFileSync } from "node:fs";
import { availableParallelism, cpus, loadavg, release, tmpdir } from "node:os";
import { spawnSync } from "node:child_process";

/** What a number means nothing without. */
export type Machine = {
  readonly node: string;
  readonly kernel: string;
  readonly cpu: string;
  readonly cores: number;
  /** Of the directory that the homes and logs are in. */
  readonly fileSystem: string;
  /** Of the last minute, before the run. */
  readonly load: number;
};

export function machine(): Machine {
  const { stdout } = spawnSync("stat", ["-f", "-c", "%T", tmpdir()], { encoding: "utf8" });
  return {
    node: process.version,
    kernel: release(),
    cpu: cpus()[0]?.model ?? cpuFromProc(),
    cores: availableParallelism(),
    fileSystem: stdout.trim(),
    load: loadavg()[0] ?? 0,
  };
}

function cpuFromProc(): string {
  return /^model name\s*: (.*)$/m.exec(readFileSync("/proc/cpuinfo", "utf8"))?.[1] ?? "unknown";
}

export function renderMachine({ node, kernel, cpu, cores, fileSystem, load }: Machine): string {
  return `Node ${node}, Linux ${kernel}, ${cores} x ${cpu}, ${fileSystem}, load ${load.toFixed(1)}`;
}
