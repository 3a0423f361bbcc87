import { chmodSync, chownSync, lstatSync, mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileFault, recordFolder, suiteFolder, SYSTEM_FOLDER } from "@sesame/core-ipc/daemon";
import { Fault } from "@sesame/core-types";
import type { Account } from "./account.ts";

/**
 * Makes the folders of a suite, in folders that only root may change: the suite's own, closed to
 * everybody else, and the record's, which the user writes and the suite reads.
 *
 * @throws {Fault} config, if a folder is there and is another user's; io
 */
export function makeFolders(user: Account, suite: Account): void {
  const top = suiteFolder(user.uid);
  own(SYSTEM_FOLDER, 0, 0, 0o755);
  own(dirname(top), 0, 0, 0o755);
  own(top, 0, 0, 0o755);
  own(join(top, "suite"), suite.uid, suite.gid, 0o700);
  // What is made in it is the group's, so that the suite can read it.
  own(recordFolder(user.uid), user.uid, suite.gid, 0o2750);
}

function own(path: string, uid: number, gid: number, mode: number): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    const found = lstatSync(path);
    const made = found.uid === 0 || found.uid === uid;
    if (!found.isDirectory() || !made)
      throw new Fault(
        "config",
        `${path} belongs to user ${found.uid}`,
        `move it away, or: chown -R ${uid}:${gid} ${path}`,
      );
    chownSync(path, uid, gid);
    chmodSync(path, mode);
  } catch (cause) {
    throw fileFault(cause, path);
  }
}
