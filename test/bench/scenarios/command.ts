import { spawnSync } from "node:child_process";
import { PASSWORD, type Home } from "../../helpers/home.ts";
import { percentile, timeEach } from "../samples.ts";
import { interleave, type Bench } from "../scenario.ts";

const RUNS = 12;
const FEW = 1;
const MANY = 100;

/** `sesame secret get NAME`, whole process, beside Node doing nothing. */
export async function secretGet(bench: Bench) {
  const home = await bench.home();
  await fill(home, "bench-get", FEW);
  const times = await interleave(bench.rounds, {
    sesame: () => sesame(bench, home, ["secret", "get", "-p", "bench-get", "KEY_000"], value(0)),
    node: () => node(bench, home),
  });
  return {
    "secret get": { ours: times.sesame, beside: { name: "node -e 0", values: times.node } },
  };
}

/** `sesame env -- true`, with one secret and with a hundred. */
export async function env(bench: Bench) {
  const home = await bench.home();
  await fill(home, "bench-few", FEW);
  await fill(home, "bench-many", MANY);
  const run = (profile: string) => sesame(bench, home, ["env", "-p", profile, "--", "true"], "");
  const times = await interleave(bench.rounds, {
    few: () => run("bench-few"),
    many: () => run("bench-many"),
    node: () => node(bench, home),
  });
  return {
    "env, 1 secret": { ours: times.few, beside: { name: "node -e 0", values: times.node } },
    "env, 100 secrets": { ours: times.many, beside: { name: "1 secret", values: times.few } },
  };
}

async function fill(home: Home, profile: string, count: number): Promise<void> {
  const bus = await home.connect();
  const password = new TextEncoder().encode(PASSWORD);
  await bus.call("profile.create", { profile });
  await bus.call("vault.create", { profile, password });
  for (let i = 0; i < count; i++) {
    const name = `KEY_${String(i).padStart(3, "0")}`;
    await bus.call("secret.set", { profile, name, value: Buffer.from(value(i)) });
  }
  await bus.close();
}

function value(i: number): string {
  return `value ${i} of a benchmark`;
}

async function sesame(
  bench: Bench,
  home: Home,
  args: readonly string[],
  expected: string,
): Promise<number> {
  const times = await timeEach(bench.count(RUNS), () => {
    if (home.must(args) !== expected) throw new RangeError(`sesame ${args.join(" ")}: wrong`);
  });
  return percentile(times, 0.5);
}

/** The same Node that runs `sesame`, in the same environment. */
async function node(bench: Bench, home: Home): Promise<number> {
  const times = await timeEach(bench.count(RUNS), () => {
    const { status } = spawnSync(process.execPath, ["-e", "0"], { env: home.env, cwd: home.path });
    if (status !== 0) throw new RangeError("node -e 0 failed");
  });
  return percentile(times, 0.5);
}
