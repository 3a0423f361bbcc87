import assert from "node:assert/strict";
import { test } from "node:test";
import { FACE, startNode, wholeOutput } from "./child.test-helper.ts";
import { hardening, threadStates } from "./index.ts";

test("harden() closes the process for good, and hardening() reads it back", async () => {
  // SECURITY: a dumpable daemon can be read and dumped by every program of its user.
  const script = `
    import { harden, hardening } from ${FACE};
    harden();
    const first = hardening();
    harden({ noNewPrivs: true });
    console.log(JSON.stringify([first, hardening()]));
  `;
  const { noNewPrivs, seccomp } = hardening();
  const closed = { dumpable: false, coreLimit: 0, seccomp };
  assert.deepEqual(JSON.parse(await wholeOutput(startNode(script))), [
    { ...closed, noNewPrivs },
    { ...closed, noNewPrivs: true },
  ]);
});

test("every thread of this process is listed, with its state", () => {
  const states = threadStates();
  assert.ok(states.some(({ tid }) => tid === process.pid));
  assert.ok(states.length > 1);
  const { noNewPrivs, seccomp } = hardening();
  for (const state of states) {
    assert.equal(state.noNewPrivs, noNewPrivs);
    assert.equal(state.filters > 0, seccomp);
  }
});
