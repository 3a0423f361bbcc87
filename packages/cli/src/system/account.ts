import { Fault } from "@sesame/core-types";
import { run } from "../io/run.ts";
import { printable } from "../printable.ts";

/** A user of this machine. passwd(5) */
export type Account = {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
};

/**
 * Looks a user up, wherever this machine keeps its users.
 *
 * @param name - or a user id
 * @returns null if there is none
 */
export async function accountOf(name: string): Promise<Account | null> {
  const line = await run("getent", ["passwd", "--", name], { hint: "" }).catch(() => null);
  const [found = "", , uid = "", gid = "", , home = ""] = line?.split(":") ?? [];
  const account = { name: found, uid: Number(uid), gid: Number(gid), home };
  return line !== null && /^\d+$/.test(uid) && /^\d+$/.test(gid) ? account : null;
}

/** @throws {Fault} not-found; usage, for users that need no suite */
export async function requireAccount(name: string): Promise<Account> {
  const account = await accountOf(name);
  if (account === null)
    throw new Fault("not-found", `there is no user ${printable(name)}`, "name one with `--user`");
  if (account.uid === 0)
    throw new Fault(
      "usage",
      "nothing can be kept from root",
      "name the ordinary user whose secrets they are",
    );
  return account;
}
