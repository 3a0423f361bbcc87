import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { isOnRootsMount, isRootsMount } from "./mount.ts";

const MOUNTS = `23 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
31 23 0:27 / /run/user/1000 rw,nosuid,nodev,relatime shared:9 - tmpfs tmpfs rw
40 23 0:50 / /home/ann/far\\040away rw,nosuid,nodev - fuse.sshfs ann@host: rw,user_id=1000
41 23 0:51 / /srv rw,relatime shared:2 master:1 - fuse.gluster host: rw,allow_other
42 23 0:52 / /odd rw,relatime
`;

test("[RUN-6] what a user may have mounted is not root's, whatever owner its files have", () => {
  // SECURITY: a file system of its own would show an agent's program as root's, with the granted
  // content while it is hashed and another while it is executed with the secrets.
  const roots = ["23", "31", "40", "41", "42", "2", "99"].filter((id) => isRootsMount(MOUNTS, id));
  assert.deepEqual(roots, ["23"]);
});

test("[RUN-6] the mount of an opened file is found", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "sesame-mount-"));
  t.after(() => {
    spawnSync("umount", ["-l", folder]);
    rmSync(folder, { recursive: true, force: true });
  });
  const judged = (options: string): boolean | null => {
    if (spawnSync("mount", ["-t", "tmpfs", "-o", options, "tmpfs", folder]).status !== 0)
      return null;
    writeFileSync(join(folder, "file"), "");
    const fd = openSync(join(folder, "file"), "r");
    try {
      return isOnRootsMount(fd);
    } finally {
      closeSync(fd);
      spawnSync("umount", [folder]);
    }
  };
  if (judged("suid") === null) return t.skip("no right to mount");
  assert.equal(judged("suid"), true);
  assert.equal(judged("nosuid"), false);
});
