import assert from "node:assert/strict";
import { chmodSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { test } from "node:test";
import { Adversary } from "../../helpers/adversary.ts";
import { recorded } from "../../helpers/audit-log.ts";
import { Home } from "../../helpers/home.ts";

const skip = process.getuid?.() === 0 ? false : "only root can start a process as another user";

test("[TRANSPORT-3] another user of the machine gets no byte from the bus", { skip }, async () => {
  // SECURITY: every account of the machine could ask for status and enrolment, and load the bus.
  await using home = await Home.ready();
  const { runtime, socket } = home.paths;
  assert.equal(statSync(runtime).mode & 0o777, 0o700);
  assert.equal(statSync(socket).mode & 0o777, 0o600);
  await using stranger = Adversary.start(home, "other-user-process");
  assert.deepEqual(await stranger.said(), { uid: 65_534 });
  stranger.tell({});
  assert.deepEqual(await stranger.said(), { code: "EACCES", bytes: 0 });

  // Even with the doors left open the kernel says who is there.
  chmodSync(dirname(runtime), 0o755);
  chmodSync(runtime, 0o755);
  chmodSync(socket, 0o666);
  stranger.tell({});
  const { bytes } = (await stranger.said()) as { bytes: number };
  assert.equal(bytes, 0);
  const { actor } = await recorded(
    home,
    "the other user",
    ({ action, outcome }) => action === "bus.connect" && outcome === "refused:uid",
  );
  assert.deepEqual([actor?.uid, actor?.pid, actor?.name], [65_534, stranger.pid, null]);
});
