import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { SCENARIOS } from "./scenarios.ts";

const RUN = fileURLToPath(new URL("run.ts", import.meta.url));

function bench(...args: readonly string[]): { status: number | null; out: string; err: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [RUN, ...args], {
    encoding: "utf8",
    timeout: 300_000,
  });
  return { status, out: stdout, err: stderr };
}

test("the benchmark measures every row of its table", () => {
  const { status, out, err } = bench("--quick", "--json");
  assert.equal(status, 0, err);
  const { rows } = JSON.parse(out) as {
    rows: { scenario: string; name: string; ours: { median: number }; ratio: number | null }[];
  };
  const expected = SCENARIOS.flatMap(({ name, rows: specs }) =>
    Object.keys(specs).map((row) => `${name}: ${row}`),
  );
  assert.deepEqual(
    rows.map(({ scenario, name }) => `${scenario}: ${name}`),
    expected,
  );
  for (const { scenario, name, ours, ratio } of rows) {
    assert.ok(ours.median > 0, `${scenario}: ${name} is ${ours.median}`);
    assert.ok(ratio === null || ratio > 0, `${scenario}: ${name} has the ratio ${ratio}`);
  }
});

test("--only with an unknown name says what there is", () => {
  const { status, err } = bench("--only", "everything");
  assert.equal(status, 64);
  assert.match(err, /round-trip/);
});
