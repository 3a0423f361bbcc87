import { linkSync, lstatSync, renameSync, unlinkSync } from "node:fs";
import { dirname } from "node:path";
import { equalBytes, type Suite } from "@sesame/core-crypto";
import { Fault } from "@sesame/core-types";
import {
  createFile,
  errorCode,
  expectNoLink,
  fileFault,
  readBounded,
  replaceFile,
} from "../io/files.ts";
import {
  sealKeyFile,
  keysBeside,
  keysIn,
  newKeys,
  parseKeyFile,
  publicKeysOf,
  unprotected,
  type HeldKeys,
  type IdentityKeys,
  type KeyFileContent,
  type ProtectedKeys,
} from "./key-format.ts";

export type { HeldKeys, IdentityKeys, SignerKind } from "./key-format.ts";

const MAX_BYTES = 4096;

/**
 * Makes the keys of a new identity.
 *
 * @returns null if the file exists; it is left as it is
 */
export function createKeyFile(suite: Suite, path: string): IdentityKeys | null {
  const { keys, file } = newKeys(suite);
  try {
    return createFile(path, file) ? keys : null;
  } finally {
    file.fill(0);
  }
}

/**
 * All keys of a file that no passphrase protects, for whoever starts unattended.
 *
 * @returns null if there is no such file
 * @throws {Fault} config if others may read it, a passphrase protects it or an ssh-agent has its
 *   signing key, integrity if it is damaged
 */
export function loadKeyFile(suite: Suite, path: string): IdentityKeys | null {
  return withKeyFile(suite, path, (content) => {
    if (content.protection === "none") {
      const keys = keysIn(suite, content);
      const { signingSeed } = keys;
      if (signingSeed !== null) return Object.assign(keys, { signingSeed });
      throw new Fault(
        "config",
        `an ssh-agent holds the signing key of ${path}, and it is needed in the file`,
        "use the identity from the command line, or enrol one with all keys in its file",
      );
    }
    throw new Fault(
      "config",
      `a passphrase protects the key file ${path}, and there is nobody to ask for it`,
      "give the passphrase, or remove it: `sesame --as NAME key unprotect`",
    );
  });
}

/**
 * The keys of a file, whether a passphrase protects it or not.
 *
 * @param ask - called for a protected file only; the passphrase is wiped after use
 * @returns null if there is no such file
 * @throws {Fault} as loadKeyFile, and denied if the passphrase is wrong
 */
export async function openKeyFile(
  suite: Suite,
  path: string,
  ask: () => Promise<Uint8Array>,
): Promise<HeldKeys | null> {
  const known = withKeyFile(suite, path, (content) =>
    content.protection === "none" ? keysIn(suite, content) : copied(content),
  );
  if (known === null || !("protection" in known)) return known;
  const passphrase = await ask();
  try {
    const keys = await unprotected(suite, known, passphrase);
    if (keys !== null) return keys;
  } finally {
    passphrase.fill(0);
  }
  throw new Fault(
    "denied",
    `the passphrase does not open ${path}, or the file was changed`,
    "try again; without the passphrase, have the identity revoked and enrol anew",
  );
}

/**
 * Makes the keys of an identity that has a signing key already, under a passphrase.
 *
 * @param signingSeed - Ed25519, 32 bytes
 * @returns false if the file exists; it is left as it is
 */
export async function createImportedKeyFile(
  suite: Suite,
  path: string,
  signingSeed: Uint8Array,
  passphrase: Uint8Array,
): Promise<boolean> {
  const file = await sealKeyFile(suite, keysBeside(suite, { seed: signingSeed }), passphrase);
  return createFile(path, file);
}

/**
 * Makes the keys of an identity whose signing key is in an ssh-agent.
 *
 * @param signingKey - Ed25519 public key, 32 bytes
 * @param passphrase - for the other two; null: none
 * @returns false if the file exists; it is left as it is
 */
export async function createSignerKeyFile(
  suite: Suite,
  path: string,
  signingKey: Uint8Array,
  passphrase: Uint8Array | null = null,
): Promise<boolean> {
  const file = await sealKeyFile(suite, keysBeside(suite, { publicKey: signingKey }), passphrase);
  try {
    return createFile(path, file);
  } finally {
    file.fill(0);
  }
}

/** The public keys of a file, in the order of its secrets; null if there is none. */
export function publicKeysIn(suite: Suite, path: string): Uint8Array | null {
  return withKeyFile(suite, path, (content) =>
    content.protection === "none"
      ? publicKeysOf(keysIn(suite, content))
      : Uint8Array.from(content.publicKeys),
  );
}

/** How a key file is protected, without opening it; null if there is none. Throws as loadKeyFile. */
export function protectionOf(suite: Suite, path: string): KeyFileContent["protection"] | null {
  return withKeyFile(suite, path, ({ protection }) => protection);
}

/**
 * Puts the same keys under a passphrase, or with null under none.
 *
 * @throws {Fault} try-later if the file holds other keys by now; it is left as it is
 */
export async function rewriteKeyFile(
  suite: Suite,
  path: string,
  keys: HeldKeys,
  passphrase: Uint8Array | null,
): Promise<void> {
  const file = await sealKeyFile(suite, keys, passphrase);
  try {
    const present = publicKeysIn(suite, path);
    if (present === null || !equalBytes(present, publicKeysOf(keys)))
      throw new Fault("try-later", `${path} was changed meanwhile`, "run the command again");
    replaceFile(path, file);
  } finally {
    file.fill(0);
  }
}

/**
 * Moves a damaged key file to a name of its own; docs/KEYS.md, KEYS-14.
 *
 * @returns where it lies now; null if it is not damaged, or not there
 * @throws {Fault} if it is no private file: that is nothing that new keys mend
 */
export function setAsideIfDamaged(suite: Suite, path: string): string | null {
  if (!isDamaged(suite, path)) return null;
  const aside = `${path}.damaged-${Date.now()}-${process.pid}`;
  try {
    renameSync(path, aside);
    if (isDamaged(suite, aside)) return aside;
    // Another command has mended it since: the file goes back, unless there is one again.
    linkSync(aside, path);
    unlinkSync(aside);
  } catch (cause) {
    if (!["ENOENT", "EEXIST"].includes(errorCode(cause))) throw fileFault(cause, path);
  }
  return null;
}

function isDamaged(suite: Suite, path: string): boolean {
  try {
    withKeyFile(suite, path, () => null);
    return false;
  } catch (cause) {
    if (cause instanceof Fault && cause.exit === "integrity") return true;
    throw cause;
  }
}

/** Hands what a file holds to `use`, and wipes the file's bytes. */
function withKeyFile<T>(suite: Suite, path: string, use: (content: KeyFileContent) => T): T | null {
  const file = readBounded(path, MAX_BYTES);
  if (file === null) return null;
  try {
    requirePrivate(path);
    const content = parseKeyFile(suite, file);
    if (content !== null) return use(content);
  } finally {
    file.fill(0);
  }
  throw new Fault(
    "integrity",
    `the key file ${path} is damaged`,
    "restore it from a backup; without one, `sesame agent enroll` asks for new keys",
  );
}

/** docs/KEYS.md, KEYS-1. */
function requirePrivate(path: string): void {
  for (const [place, mode] of [
    [path, "600"],
    [dirname(path), "700"],
  ] as const) {
    const found = lstatSync(place);
    expectNoLink(found, place);
    const own = process.getuid?.() ?? -1;
    // Under systemd the daemons see their key file alone, in a directory of root's.
    const roots = own !== 0 && found.isDirectory() && found.uid === 0;
    if (roots && (found.mode & 0o022) === 0) continue;
    if (found.uid !== own)
      throw new Fault("config", `${place} belongs to another user`, `chown ${own} ${place}`);
    if ((found.mode & 0o077) !== 0)
      throw new Fault("config", `others may read the key file ${path}`, `chmod ${mode} ${place}`);
  }
}

/** Of its own, for later: the file's bytes are wiped. A Buffer's `slice` is a view. */
function copied(content: ProtectedKeys): ProtectedKeys {
  const { header, publicKeys, box } = content;
  return {
    ...content,
    header: Uint8Array.from(header),
    publicKeys: Uint8Array.from(publicKeys),
    box: Uint8Array.from(box),
  };
}
