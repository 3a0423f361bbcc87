import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { FACE, startNode, wholeOutput } from "./child.test-helper.ts";
import { nofile, setNofile } from "./index.ts";

const STATE = 'process.execve("/bin/grep", ["grep", "-E", "Sig|Max open", ...files], process.env)';

/** Runs Node under a shell whose soft limit is 512; answers /proc/self files after execve. */
function afterExec(prepare: string): string {
  const script = `
    import * as face from ${FACE};
    const files = ["-h", "/proc/self/status", "/proc/self/limits"];
    ${prepare};
    ${STATE};
  `;
  // "exit" keeps the shell from replacing itself by Node: it has to be Node's parent.
  const shell = 'ulimit -S -n 512; "$@"; exit $?';
  const node = [process.execPath, "--disable-sigusr1", "--input-type=module", "-e", script];
  return execFileSync("/bin/sh", ["-c", shell, "sh", ...node], { encoding: "utf8" });
}

test("a program started by execve has native signals and its parent's limit of files", () => {
  const state = afterExec("face.resetSignals(); face.restoreNofile()");
  assert.match(state, /^SigIgn:\t0{16}$/m);
  assert.match(state, /^SigBlk:\t0{16}$/m);
  assert.match(state, /^Max open files +512 /m);
});

test("the hard limit stays as it was", () => {
  const { hard } = nofile();
  const state = afterExec("face.restoreNofile()");
  assert.match(state, new RegExp(`^Max open files +512 +${hard} `, "m"));
});

test("signals that a script handles are back at their default", async () => {
  const script = `
    import { resetSignals } from ${FACE};
    process.on("SIGTERM", () => console.log("handled"));
    resetSignals();
    process.kill(process.pid, "SIGTERM");
    console.log("survived");
  `;
  await assert.rejects(wholeOutput(startNode(script)), /ended with null/);
});

test("the soft limit is set within the hard one, and nothing else is accepted", () => {
  const before = nofile();
  assert.ok(before.soft <= before.hard);
  try {
    setNofile(512);
    assert.deepEqual(nofile(), { ...before, soft: 512 });
  } finally {
    setNofile(before.soft);
  }
  assert.deepEqual(nofile(), before);
  assert.throws(() => setNofile(before.hard + 1), { code: "EINVAL" });
  for (const value of [-1, 0.5, NaN, Infinity, 2 ** 53, "9", 9n, null, undefined, {}]) {
    assert.throws(() => setNofile(value as number), { code: "ERR_INVALID_ARG_VALUE" });
  }
  assert.deepEqual(nofile(), before);
});
