import { existsSync } from "node:fs";
import { constants } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** Owner of a pidfd inside the addon; opaque here. */
export type PidfdHandle = { readonly __pidfd: unique symbol };

/** The functions of c/addon.c. Each validates its arguments and throws errors with a `code`. */
export interface Addon {
  peerCredentials(fd: number): { pid: number; uid: number; gid: number };
  peerPidfd(fd: number): PidfdHandle | null;
  pidfdAlive(handle: PidfdHandle): boolean;
  pidfdClose(handle: PidfdHandle): void;
  notify(socketPath: string, message: string): void;
  tryLock(fd: number): boolean;
  lockHolder(fd: number): number | null;
  resetSignals(): void;
  nofile(): { soft: number; hard: number };
  setNofile(soft: number): void;
  allocSecure(length: number): ArrayBuffer;
  freeSecure(buffer: ArrayBufferLike): void;
  protectSecure(buffer: ArrayBufferLike, access: number): void;
  secureMemory(): { kind: number; bytes: number; allocations: number };
  clearStack(): void;
  harden(): void;
  hardening(): { dumpable: number; coreLimit: number; noNewPrivs: number; seccomp: number };
  setNoNewPrivs(): void;
  landlockAbi(): number;
  sandboxExec(rules: Uint8Array, argv: Uint8Array, env: Uint8Array, descriptors: Uint8Array): void;
  restrictSyscalls(profile: number, denial: number): void;
  sealedMemfd(bytes: Uint8Array): number;
}

/** Oldest Node.js that this package is made for, as major and minor. */
const OLDEST_NODE = [22, 14] as const;

/** Set at build time (esbuild `define`): folder of prebuilt/, relative to the bundle's folder. */
declare const SESAME_PREBUILT: string | undefined;

/** Folder of this module, or of the bundle that holds it, as ES module or as CommonJS. */
function ownFolder(): string {
  const url: string | undefined = import.meta.url;
  return url ? dirname(fileURLToPath(url)) : __dirname;
}

/** Where prebuilt/ may be, seen from src/ or dist/ of this package, or from another's dist/. */
function prebuiltFolders(): readonly string[] {
  if (typeof SESAME_PREBUILT === "string") return [SESAME_PREBUILT];
  return ["../prebuilt", "../../native/prebuilt"];
}

/**
 * Path of the prebuilt addon for an architecture.
 *
 * @param folder absolute folder that the search starts from.
 * @throws Error with code `ERR_SESAME_NO_ADDON`, naming platform and architecture, where there
 * is no such file.
 */
export function addonPath(
  folder: string = ownFolder(),
  platform: string = process.platform,
  arch: string = process.arch,
): string {
  const target = `${platform}-${arch}`;
  const candidates = prebuiltFolders().map((f) => join(folder, f, target, "sesame.node"));
  const found = candidates.find((path) => existsSync(path));
  if (found !== undefined) return found;
  throw coded("ERR_SESAME_NO_ADDON", `no native addon for ${target}: ${candidates.join(", ")}`);
}

/**
 * Refuses a Node.js that the addon's callers are not made for.
 *
 * @param version as in process.versions.node, such as `24.21.0`.
 * @throws Error with code `ERR_SESAME_NODE_VERSION`.
 */
export function checkNodeVersion(version: string = process.versions.node): void {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const [oldestMajor, oldestMinor] = OLDEST_NODE;
  if (major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)) return;
  const wanted = OLDEST_NODE.join(".");
  throw coded("ERR_SESAME_NODE_VERSION", `Node.js ${wanted} or newer is needed, not ${version}`);
}

let loaded: Addon | undefined;

/** The addon, loaded at first use: a command that needs none of it does not pay for it. */
export function addon(): Addon {
  if (loaded === undefined) {
    checkNodeVersion();
    const module: { exports: unknown } = { exports: {} };
    process.dlopen(module, addonPath(), constants.dlopen.RTLD_NOW);
    loaded = module.exports as Addon;
  }
  return loaded;
}

/** An error for callers that look at `code`. */
export function coded(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}
