import { statSync } from "node:fs";
import { join } from "node:path";
import { homedir } from "node:os";
import { Fault } from "@sesame/core-types";

/** Where an installation keeps its files. docs/OPERATIONS.md, Files. */
export type Paths = {
  readonly config: string;
  readonly installation: string;
  /** The signed policy that the operator installed last. */
  readonly policy: string;
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
};

// sun_path holds 108 bytes with its terminator. unix(7)
const MAX_SOCKET_PATH = 107;

/**
 * Paths from the environment, by the XDG base directory rules.
 *
 * @throws {Fault} config, if there is no runtime directory or no home
 */
export function pathsFrom(env: Readonly<Record<string, string | undefined>>): Paths {
  const home = env["HOME"] ?? homedir();
  const config = join(absolute(env["XDG_CONFIG_HOME"]) ?? join(home, ".config"), "pds");
  const state = join(absolute(env["XDG_STATE_HOME"]) ?? join(home, ".local", "state"), "pds");
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
  return {
    config,
    installation: join(config, "installation", "installation.toml"),
    policy: join(config, "installation", "policy.json"),
    keys: join(config, "keys"),
    vaults: join(config, "vaults"),
    audit: join(config, "audit"),
    authority: join(config, "authority"),
    profiles: join(config, "profiles", "profiles.json"),
    pending: join(config, "profiles", "pending.json"),
    busPanic: join(config, "profiles", "panic.json"),
    vaultPanic: join(config, "vaults", "panic.json"),
    launcher: join(config, "launcher"),
    runtime,
    socket,
    busLock: join(runtime, "bus.lock"),
    secretsLock: join(runtime, "secrets.lock"),
    launcherLock: join(runtime, "launcher.lock"),
    supervisorLock: join(runtime, "supervisor.lock"),
    recordLock: join(runtime, "record.lock"),
    state,
    log: join(state, "daemons.log"),
  };
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
