import { Reader, utf8Length, Writer } from "./codec.ts";
import { Violation } from "./errors.ts";
import { IDENTITY_KINDS, type IdentityKind } from "./identity.ts";
import { LEVELS, type Level } from "./level.ts";
import { MAX_IDENTITY_NAME, MAX_TOPIC_NAME, PROTOCOL_VERSION } from "./limits.ts";
import { decodeTrust, encodeTrust, type Trust } from "./trust.ts";

// An envelope is a MessagePack array, the header, followed by the payload's bytes as they are.
// The bus reads and rewrites headers and never touches payloads. docs/PROTOCOL.md, Envelope.

export const ENVELOPE_TYPES = ["request", "reply", "denial", "publish"] as const;
export type EnvelopeType = (typeof ENVELOPE_TYPES)[number];

/** The header as a client writes it. */
export type ClientHeader = {
  readonly type: EnvelopeType;
  /** 16 bytes, chosen by the sender; a reply or denial repeats the id of its request. */
  readonly id: Uint8Array;
  readonly tag: number;
  readonly level: Level;
  /** Topic of a publish, identity name of an `app.call`; null otherwise. */
  readonly target: string | null;
  /** Milliseconds that a request may wait; 0 in other types. */
  readonly ttlMs: number;
};

/** Who is at the other end of a connection, by its handshake. */
export type Party = {
  /** Name of the registered identity; null for an unregistered connection. */
  readonly name: string | null;
  readonly kind: IdentityKind | null;
  readonly clearance: Level;
  /** The 16 random bytes of this connection's hello. */
  readonly session: Uint8Array;
};

/** What the bus knows of a sender from its handshake and its socket, and from nothing else. */
export type Sender = Party & {
  /** Advice: an owner may refuse more because of it, and never less. */
  readonly trust: Trust;
};

/** The header as the bus hands it on: only here is there a sender. */
export type RoutedHeader = ClientHeader & { readonly sender: Sender };

const CLIENT_FIELDS = 7;
const ROUTED_FIELDS = 12;
/** Bytes that any header fits in. */
export const MAX_HEADER_BYTES = 80 + MAX_TOPIC_NAME + MAX_IDENTITY_NAME;

/** The sender's five fields, encoded once per connection. */
export function encodeSender(sender: Sender): Uint8Array {
  const writer = new Writer(new Uint8Array(MAX_HEADER_BYTES));
  writeText(writer, sender.name);
  writer.byte(sender.kind === null ? 0xc0 : IDENTITY_KINDS.indexOf(sender.kind));
  writer.uint(LEVELS.indexOf(sender.clearance));
  writer.bin(sender.session);
  writer.bin(encodeTrust(sender.trust));
  return writer.out.slice(0, writer.at);
}

/**
 * Writes a header.
 *
 * @param out - at least MAX_HEADER_BYTES
 * @param sender - encodeSender() of the verified sender; absent in a client's header
 * @returns length of the header in bytes
 */
export function writeHeader(out: Uint8Array, header: ClientHeader, sender?: Uint8Array): number {
  const writer = new Writer(out);
  writer.arrayHeader(sender === undefined ? CLIENT_FIELDS : ROUTED_FIELDS);
  writer.byte(PROTOCOL_VERSION);
  writer.byte(ENVELOPE_TYPES.indexOf(header.type));
  writer.bin(header.id);
  writer.uint(header.tag);
  writer.byte(LEVELS.indexOf(header.level));
  writeText(writer, header.target);
  writer.uint(header.ttlMs);
  if (sender !== undefined) {
    out.set(sender, writer.at);
    writer.at += sender.length;
  }
  return writer.at;
}

/** Reads a header as clients send it; `length` is where the payload begins. */
export function readClientHeader(from: Uint8Array): { header: ClientHeader; length: number } {
  const reader = new Reader(from);
  if (reader.arrayHeader() !== CLIENT_FIELDS) throw malformed("not a client header");
  return { header: readFields(reader), length: reader.at };
}

/** Reads a header as the bus sends it. */
export function readRoutedHeader(from: Uint8Array): { header: RoutedHeader; length: number } {
  const reader = new Reader(from);
  if (reader.arrayHeader() !== ROUTED_FIELDS) throw malformed("not a routed header");
  const fields = readFields(reader);
  const name = readText(reader, MAX_IDENTITY_NAME);
  const kind = readKind(reader);
  const clearance = readLevel(reader);
  const session = readId(reader);
  const trust = decodeTrust(reader.bin());
  const sender = { name, kind, clearance, session, trust };
  return { header: { ...fields, sender }, length: reader.at };
}

function readFields(reader: Reader): ClientHeader {
  if (reader.uint() !== PROTOCOL_VERSION) throw malformed("unknown version");
  const type = ENVELOPE_TYPES[reader.uint()];
  if (type === undefined) throw malformed("unknown envelope type");
  const id = readId(reader);
  const tag = reader.uint();
  if (tag > 0xffff) throw malformed("tag above 65535");
  const level = readLevel(reader);
  const target = readText(reader, MAX_TOPIC_NAME);
  const ttlMs = reader.uint();
  if (ttlMs > 0xffff_ffff) throw malformed("deadline above 2^32 - 1 ms");
  return { type, id, tag, level, target, ttlMs };
}

function readLevel(reader: Reader): Level {
  const level = LEVELS[reader.uint()];
  if (level === undefined) throw malformed("unknown level");
  return level;
}

function readKind(reader: Reader): IdentityKind | null {
  const byte = reader.byte();
  const kind = byte === 0xc0 ? null : IDENTITY_KINDS[byte];
  if (kind === undefined) throw malformed("unknown kind of identity");
  return kind;
}

function readId(reader: Reader): Uint8Array {
  const id = reader.bin();
  if (id.length !== 16) throw malformed("identifier is not 16 bytes");
  return id;
}

function writeText(writer: Writer, text: string | null): void {
  if (text === null) writer.byte(0xc0);
  else writer.text(text);
}

function readText(reader: Reader, maxBytes: number): string | null {
  if (reader.peek() === 0xc0) {
    reader.byte();
    return null;
  }
  const text = reader.word();
  // In bytes: the header is written again into a buffer of MAX_HEADER_BYTES.
  if (utf8Length(text) > maxBytes) throw malformed("text too long");
  return text;
}

function malformed(what: string): Violation {
  return new Violation("ENVELOPE-1", what);
}
