import { equalBytes } from "@sesame/core-crypto";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import {
  createImportedKeyFile,
  keyFileOf,
  openForeignKey,
  openKeyFile,
  protectionOf,
  publicKeysIn,
  readBounded,
  rewriteKeyFile,
} from "@sesame/core-ipc/daemon";
import { Denial, Fault, isIdentityName, isReservedName, OPERATOR, toHex } from "@sesame/core-types";
import { openKeys, pathsOf, type Context } from "../context.ts";
import { askNewPassphrase, askPassphrase, askToChange } from "../io/passphrase.ts";
import { printable } from "../printable.ts";
import type { Outcome } from "../render.ts";

const MAX_FOREIGN_BYTES = 16 * 1024;

/** Puts the identity's keys under a passphrase; with `change` under another one. */
export async function keyProtect(
  context: Context,
  { change = false }: { readonly change?: boolean },
): Promise<Outcome> {
  const { env, identity } = context;
  const { path, protection } = keyFile(context);
  if (protection === "passphrase" && !change)
    return outcome(context, false, `A passphrase protects the keys of ${identity} already.`);
  const ask =
    protection === "passphrase"
      ? askToChange(env, identity)
      : { present: noPassphrase, next: () => askNewPassphrase(env, identity) };
  const keys = await openKeyFile(suite, path, ask.present);
  if (keys === null) throw noKeyFile(identity);
  const passphrase = await ask.next();
  try {
    await rewriteKeyFile(suite, path, keys, passphrase);
  } finally {
    passphrase.fill(0);
  }
  const text = `A ${change ? "new " : ""}passphrase protects the keys of ${identity}.`;
  return outcome(context, true, text);
}

/** Removes the passphrase. */
export async function keyUnprotect(context: Context): Promise<Outcome> {
  const { identity } = context;
  const { path, protection } = keyFile(context);
  if (protection === "none")
    return outcome(context, false, `No passphrase protects the keys of ${identity}.`);
  const keys = await openKeys(context);
  if (keys === null) throw noKeyFile(identity);
  await rewriteKeyFile(suite, path, keys, null);
  return outcome(context, true, `No passphrase protects the keys of ${identity} any more.`);
}

/** Takes over a signing key that another program sealed. docs/KEYS.md, Foreign files. */
export async function keyImport(
  context: Context,
  source: string,
  { name = "" }: { readonly name?: string },
): Promise<Outcome> {
  if (!isIdentityName(name)) throw new Denial("name-invalid", "name of an identity");
  if (isReservedName(name)) throw new Denial("name-taken", name);
  const foreign = readBounded(source, MAX_FOREIGN_BYTES);
  if (foreign === null)
    throw new Fault("not-found", `there is no file ${source}`, "name the file to import");
  const path = keyFileOf(pathsOf(context), name);
  const passphrase = await askPassphrase(context.env, printable(source));
  let seed: Uint8Array | null = null;
  try {
    seed = await openForeignKey(suite, foreign, passphrase);
    const signingKey = suite.ed25519PublicKey(seed);
    const changed = await createImportedKeyFile(suite, path, seed, passphrase);
    const present = publicKeysIn(suite, path)?.subarray(-signingKey.length);
    if (present === undefined || !equalBytes(present, signingKey))
      throw new Fault(
        "exists",
        `${name} has other keys already`,
        "import under another name; a key file is never replaced",
      );
    const text = changed
      ? `${name} has the key of ${printable(source)}, under the same passphrase.
To ask the operator to let it in: sesame agent enroll --name ${name}`
      : `${name} has this key already.`;
    return { text, data: { name, changed, signingKey: toHex(signingKey) } };
  } finally {
    passphrase.fill(0);
    seed?.fill(0);
  }
}

/** docs/KEYS.md, KEYS-6: daemons start unattended. */
function keyFile(context: Context): { path: string; protection: "none" | "passphrase" } {
  const { identity } = context;
  if (!isIdentityName(identity)) throw new Denial("name-invalid", "name of an identity");
  if (isReservedName(identity) && identity !== OPERATOR)
    throw new Fault(
      "usage",
      `${identity} starts unattended, so its keys have no passphrase`,
      "name the identity of a person or an agent: `sesame --as NAME key protect`",
    );
  const path = keyFileOf(pathsOf(context), identity);
  const protection = protectionOf(suite, path);
  if (protection === null) throw noKeyFile(identity);
  return { path, protection };
}

function noPassphrase(): Promise<Uint8Array> {
  throw new Fault("try-later", "the key file was changed meanwhile", "run the command again");
}

function noKeyFile(identity: string): Fault {
  return new Fault(
    "config",
    `there is no key file of ${identity}`,
    identity === OPERATOR
      ? "run `sesame init`"
      : `\`sesame agent enroll --name ${identity}\` makes one`,
  );
}

function outcome({ identity }: Context, changed: boolean, text: string): Outcome {
  return { text, data: { name: identity, changed } };
}
