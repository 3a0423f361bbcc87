import { agentKeys } from "@sesame/core-ipc/daemon";
import { Fault } from "@sesame/core-types";

// Signing keys that an ssh-agent holds, as flags name them. docs/KEYS.md, section 4.

/** The fingerprint in `ssh-agent:SHA256:…`. @throws {Fault} usage */
export function fingerprintIn(signer: string): string {
  const fingerprint = /^ssh-agent:(SHA256:[A-Za-z0-9+/]{43})$/.exec(signer)?.[1];
  if (fingerprint !== undefined) return fingerprint;
  throw new Fault(
    "usage",
    "--signer must be ssh-agent:SHA256:… with a key's fingerprint",
    "`ssh-add -l` shows the fingerprints",
  );
}

/** The public key of an Ed25519 key that the agent has. */
export async function offeredKey(socket: string | undefined, wanted: string): Promise<Uint8Array> {
  const found = (await agentKeys(socket)).find(({ fingerprint }) => fingerprint === wanted);
  if (found?.publicKey) return found.publicKey;
  throw new Fault(
    found === undefined ? "not-found" : "data",
    found === undefined
      ? `the ssh-agent has no key ${wanted}`
      : `${wanted} is no plain Ed25519 key, so it cannot sign for an identity`,
    "`ssh-add -l` shows its keys; `ssh-keygen -t ed25519` makes one that fits",
  );
}

/** The public key that such a flag names, if the agent has it. */
export function signingKeyOf(signer: string, socket: string | undefined): Promise<Uint8Array> {
  return offeredKey(socket, fingerprintIn(signer));
}
