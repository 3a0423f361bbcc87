import { limits, Violation } from "@sesame/core-types";

/** What the kernel says of one end of the socket. */
export type Credentials = { readonly pid: number; readonly uid: number; readonly gid: number };

/** The server's first words, in clear; the Noise prologue binds them. */
export type Hello = {
  readonly server: Credentials;
  /** The connecting process as the kernel reports it to the server. */
  readonly peer: Credentials;
  /** Inode of the server's pid namespace: tells whether pids can be compared. */
  readonly pidNamespace: bigint;
  /** 16 random bytes that name this connection: the bus session. */
  readonly session: Uint8Array;
};

const MAGIC = new TextEncoder().encode("sesame-bus");
const PROLOGUE = new TextEncoder().encode("Sesame bus protocol, version 1\n");
const SESSION_AT = MAGIC.length + 1 + 24 + 8;
export const HELLO_BYTES = SESSION_AT + 16;

export function encodeHello(hello: Hello): Uint8Array {
  const out = new Uint8Array(HELLO_BYTES);
  const view = new DataView(out.buffer);
  out.set(MAGIC);
  out[MAGIC.length] = limits.PROTOCOL_VERSION;
  const numbers = [hello.server, hello.peer].flatMap(({ pid, uid, gid }) => [pid, uid, gid]);
  numbers.forEach((number, i) => view.setUint32(MAGIC.length + 1 + 4 * i, number));
  view.setBigUint64(MAGIC.length + 25, hello.pidNamespace);
  out.set(hello.session, SESSION_AT);
  return out;
}

/** @throws {Violation} HELLO-1 if this is no hello, HELLO-2 if its version is another */
export function decodeHello(bytes: Uint8Array): Hello {
  if (bytes.length < MAGIC.length + 1 || MAGIC.some((byte, i) => bytes[i] !== byte))
    throw new Violation("HELLO-1", "the socket does not speak the bus protocol");
  if (bytes[MAGIC.length] !== limits.PROTOCOL_VERSION)
    throw new Violation("HELLO-2", `the bus speaks version ${bytes[MAGIC.length]}`);
  if (bytes.length !== HELLO_BYTES) throw new Violation("HELLO-1", "hello of another length");
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const credentials = (at: number): Credentials => ({
    pid: view.getUint32(at),
    uid: view.getUint32(at + 4),
    gid: view.getUint32(at + 8),
  });
  return {
    server: credentials(MAGIC.length + 1),
    peer: credentials(MAGIC.length + 13),
    pidNamespace: view.getBigUint64(MAGIC.length + 25),
    session: bytes.slice(SESSION_AT),
  };
}

/** Noise prologue: the protocol's name and the hello's exact bytes. */
export function prologueOf(hello: Uint8Array): Uint8Array {
  const out = new Uint8Array(PROLOGUE.length + hello.length);
  out.set(PROLOGUE);
  out.set(hello, PROLOGUE.length);
  return out;
}

/**
 * The client's side of the binding: a process that relays this handshake to the real bus has
 * another pid, and shows up here.
 *
 * @throws {Violation} HELLO-3
 */
export function checkHello(hello: Hello, own: Credentials, ownPidNamespace: bigint): void {
  const samePid = hello.peer.pid === own.pid || hello.pidNamespace !== ownPidNamespace;
  if (!samePid || hello.peer.uid !== own.uid || hello.peer.gid !== own.gid)
    throw new Violation("HELLO-3", "the bus sees another process than this one: a relay");
}
