import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  closeSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Denial, limits } from "@sesame/core-types";
import { openDirectory, openProgram } from "./program-file.ts";

function folder(t: { after: (done: () => void) => void }): string {
  const path = realpathSync(mkdtempSync(join(tmpdir(), "sesame-program-")));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

function script(path: string, text: string): string {
  writeFileSync(path, text);
  chmodSync(path, 0o755);
  return path;
}

async function refusal(attempt: () => unknown): Promise<string> {
  try {
    await attempt();
  } catch (cause) {
    if (cause instanceof Denial) return cause.code;
    throw cause;
  }
  return "";
}

const run = (fd: number): string =>
  spawnSync("/proc/self/fd/3", ["x"], { stdio: ["ignore", "pipe", "pipe", fd] }).stdout.toString();

test("[RUN-6] what is executed is what was hashed, whatever is done to the path or the file", async (t) => {
  // SECURITY: an agent would have another program hashed than the one that gets the secrets.
  const home = folder(t);
  const path = script(join(home, "tool"), "#!/bin/sh\necho good\n");
  const before = createHash("sha256").update(readFileSync(path)).digest();
  const program = await openProgram(path, home);
  t.after(() => program.close());
  writeFileSync(path, "#!/bin/sh\necho evil, written in place\n");
  rmSync(path);
  script(path, "#!/bin/sh\necho evil, put in its place\n");
  assert.deepEqual(Buffer.from(program.sha256), before);
  assert.equal(run(program.fd), "good\n");
});

test("[RUN-6] a binary runs from its copy", async (t) => {
  const home = folder(t);
  const path = join(home, "cat");
  copyFileSync(realpathSync("/bin/echo"), path);
  const program = await openProgram(path, home);
  t.after(() => program.close());
  assert.equal(run(program.fd), "x\n");
});

test("[RUN-6] a link is followed once, at the time of opening", async (t) => {
  const home = folder(t);
  const link = join(home, "link");
  symlinkSync(script(join(home, "good"), "#!/bin/sh\necho good\n"), link);
  const program = await openProgram(link, home);
  t.after(() => program.close());
  rmSync(link);
  symlinkSync(script(join(home, "evil"), "#!/bin/sh\necho evil\n"), link);
  assert.equal(run(program.fd), "good\n");
});

test("[RUN-6] what is no program is refused by name", async (t) => {
  const home = folder(t);
  const path = (name: string): string => join(home, name);
  const open = (name: string) => refusal(() => openProgram(path(name), home));
  assert.equal(await open("absent"), "program-missing");
  mkdirSync(path("directory"));
  assert.equal(await open("directory"), "program-refused");
  writeFileSync(path("plain"), "#!/bin/sh\n");
  assert.equal(await open("plain"), "program-refused", "not executable");
  script(path("text"), "echo a shell would run this\n");
  assert.equal(await open("text"), "program-refused");
  script(path("shell"), "#!\necho a shell would run this\n");
  assert.equal(await open("shell"), "program-refused");
  script(path("nearly"), "\x7fELF\necho a shell would run this, too\n");
  assert.equal(await open("nearly"), "program-refused");
  script(path("empty"), "");
  assert.equal(await open("empty"), "program-refused");
  script(path("huge"), "#!/bin/sh\n");
  truncateSync(path("huge"), limits.MAX_PROGRAM_BYTES + 1);
  assert.equal(await open("huge"), "program-refused");
  spawnSync("mkfifo", ["-m", "755", path("pipe")]);
  assert.equal(await open("pipe"), "program-refused", "and nobody waits for it");
});

test("[RUN-6] a directory is opened by a path without links", async (t) => {
  const home = folder(t);
  mkdirSync(join(home, "real"));
  symlinkSync(join(home, "real"), join(home, "link"));
  mkdirSync(join(home, "real", "inner"));
  closeSync(openDirectory(join(home, "real", "inner")));
  for (const path of ["link", "link/inner", "absent", "real/../real"])
    assert.equal(await refusal(() => openDirectory(`${home}/${path}`)), "directory-refused", path);
});
