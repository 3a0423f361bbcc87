import { realpathSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { homedir } from "node:os";
import { BUS_HOST, Fault, LAUNCHER, VAULT_OWNER, type DAEMONS } from "@sesame/core-types";
import { loadSuite, SYSTEM_FOLDER } from "./system-suite.ts";

/** Where an installation keeps its files. docs/OPERATIONS.md, Files. */
export type Paths = {
  readonly config: string;
  readonly installation: string;
  readonly keys: string;
  readonly vaults: string;
  readonly audit: string;
  readonly authority: string;
  readonly profiles: string;
  readonly pending: string;
  /** Where the bus host and the owner of the vaults keep that a panic holds. */
  readonly busPanic: string;
  readonly vaultPanic: string;
  readonly launcher: string;
  readonly runtime: string;
  readonly socket: string;
  readonly busLock: string;
  readonly secretsLock: string;
  readonly launcherLock: string;
  readonly supervisorLock: string;
  readonly recordLock: string;
  readonly state: string;
  readonly log: string;
  /** Where the system runs the suite under a user of its own; null: the user runs it. */
  readonly system: {
    /** Uid of whom it serves. */
    readonly user: number;
    /** Uid as which it runs. */
    readonly suite: number;
  } | null;
};

type Environment = Readonly<Record<string, string | undefined>>;

/** Held by the one process that works on what this daemon keeps, whatever its runtime directory. */
export function daemonLock(paths: Paths, daemon: (typeof DAEMONS)[number]): string {
  const homes = {
    [BUS_HOST]: dirname(paths.profiles),
    [VAULT_OWNER]: paths.vaults,
    [LAUNCHER]: paths.launcher,
  };
  return join(homes[daemon], "daemon.lock");
}

/** In the environment of daemons that the system runs: uid of the user whom they serve. */
export const SERVES = "SESAME_USER";

// sun_path holds 108 bytes with its terminator. unix(7)
const MAX_SOCKET_PATH = 107;

/**
 * Where this process finds its installation: by the XDG base directory rules; in system mode where
 * the system has put it.
 *
 * @param folder - where root says for whom the system runs a suite
 * @throws {Fault} config, if there is no runtime directory or no home
 */
export function pathsFrom(env: Environment, folder: string = SYSTEM_FOLDER): Paths {
  const own = process.getuid?.() ?? 0;
  const served = env[SERVES];
  if (served !== undefined) return daemonPaths(Number(served), own);
  const suite = loadSuite(own, folder);
  if (suite === null || !isSame(suite.home, homeIn(env))) return userPaths(env);
  const config = configIn(env);
  return {
    ...systemPaths(suite),
    config,
    state: stateIn(env),
    keys: join(config, "keys"),
    recordLock: join(recordFolder(suite.user), "record.lock"),
  };
}

/** What commands of this user remember. */
function stateIn(env: Environment): string {
  return join(absolute(env["XDG_STATE_HOME"]) ?? join(homeIn(env), ".local", "state"), "pds");
}

function userPaths(env: Environment): Paths {
  const config = configIn(env);
  const state = stateIn(env);
  const base = absolute(env["XDG_RUNTIME_DIR"]) ?? loginDirectory();
  if (base === null)
    throw new Fault(
      "config",
      "XDG_RUNTIME_DIR is not set, so there is no private place for the bus socket",
      'log in through a session that sets it, or: export XDG_RUNTIME_DIR="$HOME/.cache/run" (made with mode 0700)',
    );
  const runtime = join(base, "pds");
  const socket = join(runtime, "bus.sock");
  if (Buffer.byteLength(socket) > MAX_SOCKET_PATH)
    throw new Fault(
      "config",
      `the socket's path is longer than ${MAX_SOCKET_PATH} bytes: ${socket}`,
      "set XDG_RUNTIME_DIR to a shorter path",
    );
  const installation = join(config, "installation", "installation.toml");
  return { ...filesIn({ config, runtime, state, socket, installation }), system: null };
}

/** As the daemons see them that the system runs for a user. */
function daemonPaths(user: number, suite: number): Paths {
  if (Number.isInteger(user) && user > 0) return systemPaths({ user, suite });
  throw new Fault("config", `${SERVES} is no user id`, "start the daemons through their units");
}

/** Where the system keeps what belongs to the suite of a user. */
function systemPaths({ user, suite }: { readonly user: number; readonly suite: number }): Paths {
  const config = join(suiteFolder(user), "suite");
  const files = filesIn({
    config,
    runtime: join(socketFolder(user), "suite"),
    state: config,
    socket: join(socketFolder(user), "bus.sock"),
    installation: join(recordFolder(user), "installation.toml"),
  });
  return { ...files, system: { user, suite } };
}

/** Root's directory for a user's suite. In unit files %i stands for the user. */
export function suiteFolder(user: number | "%i"): string {
  return `/var/lib/sesame/${user}`;
}

/** Where the user keeps the record, for the suite to read. */
export function recordFolder(user: number | "%i"): string {
  return join(suiteFolder(user), "record");
}

/** Root's directory of the socket. */
export function socketFolder(user: number | "%i"): string {
  return `/run/sesame/${user}`;
}

type Places = Pick<Paths, "config" | "runtime" | "state" | "socket" | "installation">;

function filesIn(places: Places): Omit<Paths, "system"> {
  const { config, runtime, state } = places;
  return {
    ...places,
    keys: join(config, "keys"),
    vaults: join(config, "vaults"),
    audit: join(config, "audit"),
    authority: join(config, "authority"),
    profiles: join(config, "profiles", "profiles.json"),
    pending: join(config, "profiles", "pending.json"),
    busPanic: join(config, "profiles", "panic.json"),
    vaultPanic: join(config, "vaults", "panic.json"),
    launcher: join(config, "launcher"),
    busLock: join(runtime, "bus.lock"),
    secretsLock: join(runtime, "secrets.lock"),
    launcherLock: join(runtime, "launcher.lock"),
    supervisorLock: join(runtime, "supervisor.lock"),
    recordLock: join(dirname(places.installation), "record.lock"),
    log: join(state, "daemons.log"),
  };
}

function homeIn(env: Environment): string {
  return env["HOME"] ?? homedir();
}

function configIn(env: Environment): string {
  return join(absolute(env["XDG_CONFIG_HOME"]) ?? join(homeIn(env), ".config"), "pds");
}

function isSame(one: string, other: string): boolean {
  const real = (path: string): string => {
    try {
      return realpathSync(path);
    } catch {
      return path;
    }
  };
  return one === other || real(one) === real(other);
}

/** Where a login manager puts it, for shells that lost the variable. */
function loginDirectory(): string | null {
  const uid = process.getuid?.() ?? -1;
  const path = `/run/user/${uid}`;
  return statSync(path, { throwIfNoEntry: false })?.uid === uid ? path : null;
}

/** A relative path in an XDG variable is to be ignored. */
function absolute(path: string | undefined): string | null {
  return path !== undefined && path.startsWith("/") ? path : null;
}
