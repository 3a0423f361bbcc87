import assert from "node:assert/strict";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test, type TestContext } from "node:test";
import { Fault } from "@sesame/core-types";
import { removeUnits, writeUnits } from "./files.ts";
import { PLACEHOLDERS, renderUnits, unitNames, USER_MODE } from "./units.ts";

const UNITS = renderUnits(PLACEHOLDERS);
const UNIT_NAMES = unitNames(USER_MODE);

function unitFolder(t: TestContext): string {
  const home = mkdtempSync(join(tmpdir(), "sesame-units-"));
  t.after(() => rmSync(home, { recursive: true }));
  return join(home, "systemd", "user");
}

test("written twice, the second time changes nothing", (t) => {
  const folder = unitFolder(t);
  assert.equal(writeUnits(folder, UNITS), true);
  assert.equal(writeUnits(folder, UNITS), false);
  const [first] = UNITS;
  writeFileSync(join(folder, first?.name ?? ""), `${first?.text ?? ""}# of an older release\n`);
  assert.equal(writeUnits(folder, UNITS), true);
  assert.equal(writeUnits(folder, UNITS), false);
});

test("the daemons are wanted at login", (t) => {
  const folder = unitFolder(t);
  writeUnits(folder, UNITS);
  const wanted = join(folder, "default.target.wants", "sesame-headless.target");
  assert.match(readFileSync(wanted, "utf8"), /^WantedBy=default\.target$/m);
});

test("nobody else can write where units lie, whatever the umask", (t) => {
  // SECURITY: another user of the machine would put a unit there that runs as this one.
  const folder = unitFolder(t);
  const before = process.umask(0);
  t.after(() => process.umask(before));
  writeUnits(folder, UNITS);
  for (const path of [dirname(folder), folder, join(folder, "default.target.wants")])
    assert.equal(statSync(path).mode & 0o022, 0, path);
});

test("a file that is not ours stops everything before the first write", (t) => {
  const folder = unitFolder(t);
  mkdirSync(folder, { recursive: true });
  const [name = ""] = UNIT_NAMES.slice(-1);
  writeFileSync(join(folder, name), "[Unit]\n");
  assert.throws(
    () => writeUnits(folder, UNITS),
    (cause) => cause instanceof Fault && cause.exit === "exists",
  );
  assert.deepEqual(readdirSync(folder), [name]);
});

test("only what was written is removed", (t) => {
  const folder = unitFolder(t);
  writeUnits(folder, UNITS);
  const [mine = "", other = ""] = UNIT_NAMES;
  writeFileSync(join(folder, mine), "[Unit]\n");
  writeFileSync(join(folder, "other.service"), "");
  const removed = removeUnits(folder, UNIT_NAMES);
  assert.ok(removed.includes(join(folder, other)));
  assert.deepEqual(readdirSync(folder).sort(), ["other.service", mine].sort());
  assert.deepEqual(removeUnits(folder, UNIT_NAMES), []);
});
