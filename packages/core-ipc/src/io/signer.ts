import { equalBytes, type Suite } from "@sesame/core-crypto";
import { Fault } from "@sesame/core-types";
import type { HeldKeys } from "../install/key-file.ts";
import { agentFingerprint } from "../ssh-agent/messages.ts";
import { agentSignature } from "./ssh-agent.ts";

/** docs/KEYS.md, KEYS-11: as a message of SSH, these would be longer than any message is. */
const STARTS = ["sesame ", "DSSEv1 "].map((start) => new TextEncoder().encode(start));

/**
 * Signs with an identity's signing key, wherever it is held.
 *
 * @param statement - begins with what it is, so that it is no message of SSH; RangeError if not
 * @param socket - SSH_AUTH_SOCK, for keys in an ssh-agent
 * @returns Ed25519, 64 bytes, verified
 * @throws {Fault} unavailable without the agent, denied if it does not sign
 */
export async function signWith(
  suite: Suite,
  { signingSeed, signingKey }: Pick<HeldKeys, "signingSeed" | "signingKey">,
  statement: Uint8Array,
  socket: string | undefined,
): Promise<Uint8Array> {
  if (!STARTS.some((start) => equalBytes(statement.subarray(0, start.length), start)))
    throw new RangeError("a statement begins with what it is");
  if (signingSeed !== null) return suite.ed25519Sign(signingSeed, statement);
  const signature = await agentSignature(socket, signingKey, statement);
  // A signature of another key, or over other bytes, would be refused later and elsewhere.
  if (signature !== null && suite.ed25519Verify(signingKey, statement, signature)) return signature;
  const fingerprint = agentFingerprint(signingKey);
  throw new Fault(
    "denied",
    signature === null
      ? `the ssh-agent does not sign with ${fingerprint}`
      : `what the ssh-agent gave is no signature of ${fingerprint}`,
    "`ssh-add -l` shows its keys; add this one, unlock the agent, or allow the use",
  );
}
