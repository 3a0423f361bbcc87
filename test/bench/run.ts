// npm run bench -- [--quick] [--json] [--only NAME]... : see README.md here.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Home } from "../helpers/home.ts";
import { machine, renderMachine } from "./machine.ts";
import { rowsOf, type Bench, type Row } from "./scenario.ts";
import { SCENARIOS } from "./scenarios.ts";
import { renderTable } from "./table.ts";

const FULL = { rounds: 5, share: 1 };
const QUICK = { rounds: 1, share: 0.01 };
const LEAST = 5;

const { values: given } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    only: { type: "string", multiple: true, default: [] },
  },
});
const unknown = given.only.find((name) => !SCENARIOS.some((known) => known.name === name));
if (unknown !== undefined) {
  const names = SCENARIOS.map(({ name }) => name).join(", ");
  process.stderr.write(`no scenario ${unknown}; there are ${names}\n`);
  process.exit(64);
}

const { rounds, share } = given.quick ? QUICK : FULL;
const chosen = SCENARIOS.filter(({ name }) => given.only.length === 0 || given.only.includes(name));
const before = machine();
const rows: Row[] = [];
await using all = new AsyncDisposableStack();
let started: Promise<Home> | null = null;
const home = (): Promise<Home> => (started ??= startHome());
for (const signal of ["SIGINT", "SIGTERM"] as const)
  process.once(signal, () => void all.disposeAsync().finally(() => process.exit(130)));

for (const scenario of chosen) {
  if (!given.json) process.stderr.write(`${scenario.name} ...\n`);
  await using stack = new AsyncDisposableStack();
  const bench: Bench = {
    rounds,
    count: (full) => Math.max(LEAST, Math.round(full * share)),
    home,
    directory: () => directoryOf(stack),
    stack,
  };
  rows.push(...(await rowsOf(scenario, bench)));
}

if (given.json) process.stdout.write(`${JSON.stringify({ machine: before, rows })}\n`);
else process.stdout.write(`\n${renderMachine(before)}\n\n${renderTable(rows)}\n`);

async function startHome(): Promise<Home> {
  return all.use(await Home.ready([{ name: "bench-client" }, { name: "bench-service" }]));
}

function directoryOf(stack: AsyncDisposableStack): string {
  const path = mkdtempSync(join(tmpdir(), "sesame-bench-"));
  stack.defer(() => rmSync(path, { recursive: true, force: true }));
  return path;
}
