import assert from "node:assert/strict";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { requireRoots } from "./roots-program.ts";

test("a program that others than root can change is not the system's to run", (t) => {
  // SECURITY: the system would run, as another user, a program that its user can exchange.
  for (const roots of ["/usr/bin/env", "/etc/passwd", "/etc/default"]) requireRoots(roots);
  const folder = mkdtempSync(join(tmpdir(), "sesame-program-"));
  t.after(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, "main.mjs"), "");
  symlinkSync("/usr/bin/env", join(folder, "link"));
  const refused = { name: "Fault", exit: "config" };
  for (const name of ["main.mjs", "."])
    assert.throws(() => requireRoots(join(folder, name)), refused);
  requireRoots(join(folder, "link"));
});
