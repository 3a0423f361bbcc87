import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { Fault } from "@sesame/core-types";
import {
  PLACEHOLDERS,
  renderUnits,
  SYSTEM_MODE,
  USER_MODE,
  type Mode,
} from "../../packages/cli/src/systemd/units.ts";

const FOLDER = fileURLToPath(new URL("../../systemd", import.meta.url));
const PROGRAM = { node: process.execPath, bundles: "/opt/sesame/packages/cli/dist" };

const analyze = (args: readonly string[], runtime: string) =>
  spawnSync("systemd-analyze", args, {
    env: { PATH: process.env["PATH"] ?? "", HOME: runtime, XDG_RUNTIME_DIR: runtime },
    encoding: "utf8",
  });

const absent = analyze(["--version"], "/").error !== undefined;
const skip = absent && process.env["CI"] !== "true" ? "there is no systemd-analyze" : false;

const MODES = { user: USER_MODE, system: SYSTEM_MODE } as const;
type Word = keyof typeof MODES;
const WORDS = Object.keys(MODES) as Word[];

/** Name of a unit as systemd looks at it: a template as the instance for one user. */
function nameOf(name: string): string {
  return name.replace("@.", "@4242.");
}

function rendered(t: TestContext, mode: Mode): { folder: string; files: string[] } {
  const folder = mkdtempSync(join(tmpdir(), "sesame-units-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const files = renderUnits(PROGRAM, mode).map(({ name, text }) => {
    writeFileSync(join(folder, nameOf(name)), text);
    return join(folder, nameOf(name));
  });
  return { folder, files };
}

for (const word of WORDS) {
  test(`the files in systemd/${word} are what the table renders`, () => {
    const folder = join(FOLDER, word);
    const units = renderUnits(PLACEHOLDERS, MODES[word]);
    assert.deepEqual(readdirSync(folder).sort(), units.map(({ name }) => name).sort());
    for (const { name, text } of units)
      assert.equal(readFileSync(join(folder, name), "utf8"), text, `run scripts/units.ts: ${name}`);
  });

  test(`systemd finds nothing wrong with the units of the ${word}`, { skip }, (t) => {
    const { folder, files } = rendered(t, MODES[word]);
    const { status, stdout, stderr } = analyze([`--${word}`, "verify", ...files], folder);
    assert.deepEqual({ status, stdout, stderr }, { status: 0, stdout: "", stderr: "" });
  });
}

test("a path that cannot stand in a unit file is refused", () => {
  // SECURITY: a folder's name would add directives to the unit, such as programs to run.
  assert.throws(
    () => renderUnits({ ...PROGRAM, bundles: "/a\nExecStartPre=/b" }),
    (cause) => cause instanceof Fault && cause.exit === "config",
  );
});

for (const word of WORDS)
  for (const service of ["sesame-profile.service", "sesame-secrets.service"])
    // SECURITY: what a service is not refused, code that got into it can use against the user.
    test(
      `systemd rates the exposure of the ${word}'s ${service} as 1.0 or less of 10`,
      { skip },
      (t) => {
        const { folder } = rendered(t, MODES[word]);
        const path = join(folder, nameOf(MODES[word].file(service)));
        const args = ["security", "--offline=true", "--no-pager", "--threshold=10"];
        const { status, stdout } = analyze([...args, path], folder);
        assert.equal(status, 0, stdout);
      },
    );
