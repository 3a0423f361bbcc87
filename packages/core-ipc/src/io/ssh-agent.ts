import { connect } from "node:net";
import { Fault } from "@sesame/core-types";
import {
  identitiesRequest,
  MAX_AGENT_MESSAGE,
  parseIdentities,
  parseSignature,
  signRequest,
  type OfferedKey,
} from "../ssh-agent/messages.ts";

// A running ssh-agent(1), asked over its socket. docs/KEYS.md, Signing keys in an ssh-agent.

export type AgentKey = OfferedKey;

/** Milliseconds: a key may ask its owner first (`ssh-add -c`). */
const ANSWER_MS = 60_000;
const LENGTH_BYTES = 4;

/**
 * The keys that the agent offers.
 *
 * @param socket - SSH_AUTH_SOCK
 * @throws {Fault} unavailable without an agent or its answer
 */
export async function agentKeys(socket: string | undefined): Promise<readonly AgentKey[]> {
  const keys = parseIdentities(await ask(socket, identitiesRequest()));
  if (keys !== null) return keys;
  throw nonsense();
}

/**
 * Has the agent sign.
 *
 * @param publicKey - Ed25519, 32 bytes
 * @returns 64 bytes, not verified yet; null if the agent refuses
 * @throws {Fault} as agentKeys
 */
export async function agentSignature(
  socket: string | undefined,
  publicKey: Uint8Array,
  data: Uint8Array,
): Promise<Uint8Array | null> {
  const signature = parseSignature(await ask(socket, signRequest(publicKey, data)));
  if (signature === null) throw nonsense();
  return signature === "refused" ? null : signature;
}

/** One request, one answer without its length. */
async function ask(socket: string | undefined, request: Uint8Array): Promise<Uint8Array> {
  if (socket === undefined || socket === "")
    throw new Fault(
      "unavailable",
      "SSH_AUTH_SOCK is not set, so there is no ssh-agent to ask",
      'start one: eval "$(ssh-agent)"; then `ssh-add` the key',
    );
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  const stream = connect({ path: socket });
  const timer = setTimeout(() => reject(silent()), ANSWER_MS);
  let received: Uint8Array = new Uint8Array(0);
  stream.on("data", (chunk) => {
    received = Buffer.concat([received, chunk]);
    const length = lengthOf(received);
    if (length === null) return;
    if (length > MAX_AGENT_MESSAGE || received.length > LENGTH_BYTES + length) reject(nonsense());
    else if (received.length === LENGTH_BYTES + length) resolve(received.subarray(LENGTH_BYTES));
  });
  stream.on("error", (cause) => reject(silent(cause)));
  stream.on("close", () => reject(silent()));
  stream.write(request);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    stream.destroy();
  }
}

function lengthOf(bytes: Uint8Array): number | null {
  if (bytes.length < LENGTH_BYTES) return null;
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
}

function silent(cause?: Error): Fault {
  return new Fault(
    "unavailable",
    "the ssh-agent does not answer",
    "`ssh-add -l` shows whether it runs; SSH_AUTH_SOCK names its socket",
    cause,
  );
}

function nonsense(): Fault {
  return new Fault(
    "unavailable",
    "what answers at SSH_AUTH_SOCK is no ssh-agent",
    "`ssh-add -l` shows whether one runs; SSH_AUTH_SOCK names its socket",
  );
}
