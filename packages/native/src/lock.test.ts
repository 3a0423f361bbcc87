import assert from "node:assert/strict";
import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import {
  FACE,
  firstLine,
  killAndReap,
  startNode,
  temporaryFolder,
  wholeOutput,
} from "./child.test-helper.ts";
import { lockHolder, tryLock } from "./index.ts";

const LOCKER = `
import { openSync } from "node:fs";
import { lockHolder, tryLock } from ${FACE};
const fd = openSync(process.argv[1], "r+");
console.log(tryLock(fd), lockHolder(fd));
`;

test("a lock refuses a second process, names its holder, and ends by kill -9", async (t) => {
  // SECURITY: two daemons on one vault or one audit log would corrupt it.
  const path = join(temporaryFolder(t), "lock");
  const fd = openSync(path, "w+");
  t.after(() => closeSync(fd));
  assert.equal(lockHolder(fd), null);

  const child = startNode(`${LOCKER}; process.stdin.resume();`, path);
  t.after(() => child.kill("SIGKILL"));
  assert.equal(await firstLine(child), "true null\n");
  assert.equal(tryLock(fd), false);
  assert.equal(lockHolder(fd), child.pid);

  await killAndReap(child);
  assert.equal(lockHolder(fd), null);
  assert.equal(tryLock(fd), true);
  assert.equal(tryLock(fd), true);
  assert.equal(await wholeOutput(startNode(LOCKER, path)), `false ${process.pid}\n`);
});

test("the holder can be asked through a descriptor that cannot lock", (t) => {
  const path = join(temporaryFolder(t), "lock");
  closeSync(openSync(path, "w"));
  const fd = openSync(path, "r");
  t.after(() => closeSync(fd));
  assert.equal(lockHolder(fd), null);
  assert.throws(() => tryLock(fd), { code: "EBADF" });
});

test("hostile arguments throw", () => {
  for (const f of [tryLock, lockHolder]) {
    assert.throws(() => f(2 ** 31 - 1), { code: "EBADF" });
    for (const value of [-1, 1.5, NaN, 2 ** 31, "3", 3n, null, undefined, {}]) {
      assert.throws(() => f(value as number), { code: "ERR_INVALID_ARG_VALUE" });
    }
  }
});
