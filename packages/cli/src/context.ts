import { statSync } from "node:fs";
import { isatty } from "node:tty";
import { nodeSuite } from "@sesame/core-crypto/node";
import { openBus, type BusClient } from "@sesame/core-ipc/client";
import {
  keyFileOf,
  openKeyFile,
  pathsFrom,
  type HeldKeys,
  type Paths,
} from "@sesame/core-ipc/daemon";
import { Denial, Fault, isIdentityName, limits, OPERATOR } from "@sesame/core-types";
import { requestedProfiles } from "./profiles.ts";
import { isMarkedUnready } from "./supervisor/mark.ts";
import { isManaged } from "./systemd/managed.ts";

/** What every command gets. */
export type Context = {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly json: boolean;
  /** Name of the identity to be: `--as`, else SESAME_IDENTITY, else the operator. */
  readonly identity: string;
  /** Its keys, where they are open already. */
  readonly keys?: HeldKeys;
};

export function pathsOf({ env }: Context): Paths {
  return pathsFrom(env);
}

/** Does what can be done at a terminal about a denial; loaded where there is one. */
async function meet(bus: BusClient, denial: Denial): Promise<boolean> {
  if (denial.code !== "totp-needed") return false;
  return (await import("./io/give-code.ts")).giveCode(bus, denial);
}

/** Opens the keys of the context's identity, with its passphrase if need be; null without a file. */
export function openKeys({ env, identity }: Context): Promise<HeldKeys | null> {
  const path = keyFileOf(pathsFrom(env), identity);
  return openKeyFile(nodeSuite, path, async () => {
    const { askPassphrase } = await import("./io/passphrase.ts");
    return askPassphrase(env, `the keys of ${identity}`);
  });
}

/**
 * Connects as the context's identity; without the operator's keys as an unregistered client.
 *
 * @param start - whether to start the daemons where they do not run
 * @throws {Fault} config without an installation or the key file, unavailable without daemons
 */
export async function connect(context: Context, start = true): Promise<BusClient> {
  const paths = pathsOf(context);
  const { identity } = context;
  if (identity !== OPERATOR) requireKeyFile(paths, identity);
  const keys = context.keys ?? (await openKeys(context));
  const open = (): Promise<BusClient> => openBus({ suite: nodeSuite, keys, paths, meet });
  try {
    const bus = await open();
    if (!start || !(await mayBeStarting(paths, bus))) return bus;
    await bus.close();
  } catch (cause) {
    if (!start || !isPassing(cause, paths)) throw cause;
  }
  const { startDaemons } = await import("./io/daemons.ts");
  await startDaemons(paths);
  return open();
}

/** In system mode root makes the socket first, and then lets this user in. */
export function isPassing(cause: unknown, { system }: Pick<Paths, "system">): boolean {
  if (!(cause instanceof Fault)) return false;
  return cause.exit === "unavailable" || (cause.exit === "denied" && system !== null);
}

/** Whoever asks to be somebody is not connected as nobody. */
function requireKeyFile(paths: Paths, name: string): void {
  if (!isIdentityName(name)) throw new Denial("name-invalid", "name of an identity");
  if (statSync(keyFileOf(paths, name), { throwIfNoEntry: false }) !== undefined) return;
  throw new Fault(
    "config",
    `there is no key file of ${name}`,
    `\`sesame agent enroll --name ${name}\` makes one and asks the operator to let it in`,
  );
}

/**
 * True while the bus serves and the daemons behind it may not. Under systemd, connecting starts the
 * bus alone, so it is asked. The supervisor marks its lock file once all serve; a file that nobody
 * has locked says nothing.
 */
async function mayBeStarting(paths: Paths, bus: BusClient): Promise<boolean> {
  if (paths.system !== null) return !(await bus.call("status.get", {})).secretsConnected;
  if (isMarkedUnready(paths)) {
    const { holderOf } = await import("./supervisor/lock-file.ts");
    if (holderOf(paths) !== null) return true;
  }
  return isManaged(paths) && !(await bus.call("status.get", {})).secretsConnected;
}

/** Connects, runs, and closes whatever happens. */
export async function withBus<T>(
  context: Context,
  use: (bus: BusClient) => Promise<T>,
  start = true,
): Promise<T> {
  const bus = await connect(context, start);
  try {
    return await use(bus);
  } finally {
    await bus.close();
  }
}

/** The profiles of `-p`, else of SESAME_PROFILES, else the default one. */
export async function chosenProfiles(
  context: Context,
  bus: BusClient,
  flag: string | undefined,
): Promise<readonly string[]> {
  const requested = requestedProfiles(flag ?? null, context.env["SESAME_PROFILES"]);
  if (requested !== null) return requested;
  const { profiles } = await bus.call("profile.list", {}).catch((cause: unknown) => {
    throw cause instanceof Denial && cause.code === "capability-missing" ? unseen() : cause;
  });
  const chosen = profiles.find((profile) => profile.default);
  if (chosen === undefined)
    throw new Fault("not-found", "there is no profile yet", "`sesame profile create NAME`");
  return [chosen.name];
}

/** Who may not see which profile is the default one may still use those that it knows. */
function unseen(): Fault {
  return new Fault(
    "denied",
    "this identity may not see which profile is the default one",
    "name the profile: `-p NAME`, or SESAME_PROFILES=NAME",
  );
}

/** As chosenProfiles, where only one makes sense. */
export async function chosenProfile(
  context: Context,
  bus: BusClient,
  flag: string | undefined,
): Promise<string> {
  const [profile, ...others] = await chosenProfiles(context, bus, flag);
  if (profile === undefined || others.length > 0)
    throw new Fault("usage", "this command works on one profile", "name it with `-p`");
  return profile;
}

/** A value from the terminal, hidden, or the whole of stdin less one trailing newline. */
export async function readValue(name: string): Promise<Uint8Array> {
  const { readAll, stripOneNewline } = await import("./io/stdin.ts");
  if (!isatty(0)) {
    const value = stripOneNewline(readAll(limits.MAX_SECRET_BYTES + 2));
    if (value.length <= limits.MAX_SECRET_BYTES) return value;
    value.fill(0);
    throw new Denial("value-too-large");
  }
  const { promptHidden } = await import("./io/prompt.ts");
  return promptHidden(`Value of ${name}: `);
}
