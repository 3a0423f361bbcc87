import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { addon, addonPath, coded } from "./load.ts";

/**
 * What may be done with a file, or with all that lies beneath a directory. `read`: files and
 * listings. `read-exec`: start programs, too. `read-write`: change existing files.
 * `read-write-create`: create, rename and remove files, directories and Unix sockets, too.
 * Nothing allows devices, symbolic links, or programs in a place that can be written.
 */
export type Access = "read" | "read-exec" | "read-write" | "read-write-create";

export interface PathRule {
  /** Absolute; symbolic links are followed when the sandbox is made. */
  readonly path: string;
  readonly access: Access;
  /** Left out where there is no such path; otherwise that is an error. */
  readonly optional?: boolean;
}

export interface SandboxOptions {
  readonly rules: readonly PathRule[];
  /** The first is the program's absolute path. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Descriptors beyond 2 that the program inherits; all others are closed. */
  readonly keepFds?: readonly number[];
  /** Refuses a kernel whose Landlock is older; 1 = Linux 5.13, 4 = TCP, 6 = signals. */
  readonly minAbi?: number;
}

const LETTERS = {
  read: "r",
  "read-exec": "x",
  "read-write": "w",
  "read-write-create": "c",
} as const satisfies Record<Access, string>;

/** Variables by which others could bring code or settings into Node, or tap it. */
const DANGEROUS = /^(?:NODE_|LD_|UV_|GLIBC_|MALLOC_|OPENSSL_|SSL_|GCONV_PATH$|LOCPATH$|V8_)/;

/** Version of the kernel's Landlock (landlock(7)); 0 for none, or after restrictSyscalls(). */
export function landlockAbi(): number {
  return addon().landlockAbi();
}

/**
 * Confines this process, and replaces it by a program under the same pid. Landlock: no file but
 * those of the rules and, where the kernel knows how, no TCP, no abstract Unix sockets, no
 * signals to processes outside. Seccomp: no ptrace, no namespaces, no mounts, no io_uring, no
 * sockets but Unix ones. It all holds for every thread of the new program and cannot be undone.
 *
 * Never returns. If it throws anything but the errors below, this thread may be restricted
 * already, and the process has to end.
 *
 * @throws `ERR_SESAME_LANDLOCK` (none, or below `minAbi`), `ENOENT` and `EACCES` (a path that is
 * not optional, named by the message), `EBADF` (`keepFds`), `E2BIG`, `ERR_INVALID_ARG_VALUE`.
 */
export function sandboxExec(options: SandboxOptions): never {
  const { rules, argv, env, keepFds = [], minAbi = 1 } = options;
  const abi = landlockAbi();
  if (abi < Math.max(minAbi, 1)) {
    const found = abi === 0 ? "no Landlock" : `Landlock ABI ${abi}`;
    throw coded("ERR_SESAME_LANDLOCK", `the kernel has ${found}, ABI ${minAbi} is needed`);
  }
  const variables = Object.entries(env).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${value}`],
  );
  addon().sandboxExec(
    block(rules.map((r) => LETTERS[r.access] + (r.optional === true ? "?" : "!") + r.path)),
    block(argv),
    block(variables),
    new Uint8Array(Int32Array.from(keepFds.map(descriptor)).buffer),
  );
  throw coded("ERR_SESAME_SANDBOX", "execve returned");
}

/**
 * The environment without what changes how Node, its loader or its libraries run; OpenSSL's
 * configuration file, which no rule allows, is switched off.
 */
export function sandboxEnvironment(
  env: Readonly<Record<string, string | undefined>> = process.env,
): Record<string, string | undefined> {
  const kept = Object.entries(env).filter(([name]) => !DANGEROUS.test(name));
  return { ...Object.fromEntries(kept), OPENSSL_CONF: "/dev/null" };
}

/**
 * What the running Node needs in order to start again: itself, the loader, the libraries that
 * are mapped now, this addon, /dev/null, and its own /proc (which holds for a program with the
 * same pid).
 */
export function nodeRules(): PathRule[] {
  const mapped = new Set([addonPath()]);
  for (const line of readFileSync("/proc/self/maps", "utf8").split("\n")) {
    const path = /^\S+ r-xp (?:\S+ +){3}(\/.*)$/.exec(line)?.[1];
    if (path !== undefined && !path.endsWith(" (deleted)")) mapped.add(path);
  }
  mapped.delete(process.execPath);
  return [
    { path: process.execPath, access: "read-exec" },
    ...[...mapped].map((path): PathRule => ({
      path,
      access: isLoader(path) ? "read-exec" : "read",
    })),
    { path: "/etc/ld.so.cache", access: "read", optional: true },
    { path: "/dev/null", access: "read-write" },
    { path: "/proc/self", access: "read" },
  ];
}

/** ld-linux-x86-64.so.2 and its like: the kernel starts it in order to start a program. */
function isLoader(path: string): boolean {
  return /^ld-.*\.so(?:\.\d+)*$/.test(basename(path));
}

function descriptor(fd: number): number {
  if (Number.isInteger(fd) && fd >= 0 && fd < 2 ** 31) return fd;
  throw coded("ERR_INVALID_ARG_VALUE", "expected descriptor numbers");
}

/** Strings one after another, each with its NUL. */
function block(strings: readonly string[]): Uint8Array {
  if (strings.some((s) => s.includes("\0"))) {
    throw coded("ERR_INVALID_ARG_VALUE", "expected strings without NUL");
  }
  return Buffer.from(strings.map((s) => `${s}\0`).join(""));
}
