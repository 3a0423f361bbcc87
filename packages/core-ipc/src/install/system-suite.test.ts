import assert from "node:assert/strict";
import {
  chmodSync,
  chownSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { identity } from "../testing/pair.ts";
import { pathsFrom } from "./paths.ts";
import { loadSuite, suiteFile, suiteText, type SystemSuite } from "./system-suite.ts";

const OWN = process.getuid?.() ?? 0;
const SUITE: SystemSuite = {
  user: OWN,
  suite: 991,
  home: "/home/u",
  daemons: [
    identity("daemon-profile", { kind: "daemon" }),
    identity("daemon-secrets", { kind: "daemon" }),
  ],
};
const NO_ROOT = OWN !== 0 && "needs root to speak for root";

function said(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "sesame-suite-"));
  t.after(() => rmSync(folder, { recursive: true }));
  chmodSync(folder, 0o755);
  writeFileSync(suiteFile(OWN, folder), suiteText(SUITE), { mode: 0o644 });
  return folder;
}

test("[TRANSPORT-6] what root says comes back", { skip: NO_ROOT }, (t) => {
  const folder = said(t);
  const found = loadSuite(OWN, folder);
  assert.equal(suiteText(found ?? { ...SUITE, suite: 0 }), suiteText(SUITE));
  assert.equal(loadSuite(OWN + 1, folder), null);
});

test("[TRANSPORT-6] what others could have said is refused", { skip: NO_ROOT }, (t) => {
  // SECURITY: who names another suite has the user's passwords and secrets brought there.
  const folder = said(t);
  const path = suiteFile(OWN, folder);
  const refused = { name: "Fault", exit: "config" };
  const undone: [change: () => void, undo: () => void][] = [
    [() => chmodSync(path, 0o646), () => chmodSync(path, 0o644)],
    [() => chmodSync(path, 0o664), () => chmodSync(path, 0o644)],
    [() => chownSync(path, 4242, 0), () => chownSync(path, 0, 0)],
    [() => chmodSync(folder, 0o777), () => chmodSync(folder, 0o755)],
    [() => chownSync(folder, 4242, 0), () => chownSync(folder, 0, 0)],
  ];
  for (const [change, undo] of undone) {
    change();
    assert.throws(() => loadSuite(OWN, folder), refused);
    undo();
    assert.notEqual(loadSuite(OWN, folder), null);
  }
  renameSync(path, join(folder, "other"));
  symlinkSync("other", path);
  assert.throws(() => loadSuite(OWN, folder), refused);
});

test("[TRANSPORT-6] a damaged word of root's is no word", { skip: NO_ROOT }, (t) => {
  const folder = said(t);
  const path = suiteFile(OWN, folder);
  const text = readFileSync(path, "utf8");
  for (const damaged of ["", text.slice(1), text.replace("user = ", "user = 1"), `${text}\n`]) {
    writeFileSync(path, damaged);
    assert.throws(() => loadSuite(OWN, folder), { name: "Fault", exit: "integrity" });
  }
});

test("[TRANSPORT-6] the user's own part stays in the home directory", { skip: NO_ROOT }, (t) => {
  const folder = said(t);
  // What the environment says of other places changes nothing.
  const env = { HOME: "/home/u", XDG_RUNTIME_DIR: "/elsewhere" };
  const paths = pathsFrom(env, folder);
  assert.deepEqual(paths.system, { user: OWN, suite: 991 });
  assert.equal(paths.socket, `/run/sesame/${OWN}/bus.sock`);
  assert.equal(paths.installation, `/var/lib/sesame/${OWN}/record/installation.toml`);
  assert.equal(paths.keys, "/home/u/.config/pds/keys");
  const other = pathsFrom({ ...env, HOME: "/home/other" }, folder);
  assert.equal(other.system, null);
  assert.equal(other.socket, "/elsewhere/pds/bus.sock");
});

test("daemons of a user find the suite's files, whatever else the environment says", () => {
  const env = {
    SESAME_USER: "4242",
    HOME: "/home/u",
    XDG_CONFIG_HOME: "/c",
    XDG_RUNTIME_DIR: "/r",
  };
  const paths = pathsFrom(env, "/nonexistent");
  assert.deepEqual(paths.system, { user: 4242, suite: OWN });
  assert.equal(paths.keys, "/var/lib/sesame/4242/suite/keys");
  assert.equal(paths.busLock, "/run/sesame/4242/suite/bus.lock");
  assert.equal(paths.socket, "/run/sesame/4242/bus.sock");
  for (const wrong of ["", "0", "root", "-1", "../0"])
    assert.throws(() => pathsFrom({ SESAME_USER: wrong }), { name: "Fault", exit: "config" });
});
