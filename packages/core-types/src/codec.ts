import { Violation } from "./errors.ts";
import { isIdentityName, isProfileName, isSecretName, isTopicName } from "./names.ts";
import type { Node, Schema, TextForm } from "./schema.ts";

// Canonical MessagePack for one schema: structs are arrays in field order, every integer and
// length has its shortest form, nothing may follow the value. So every value has one encoding,
// hostile types (extensions, maps, floats) cannot be expressed, and no announced length is
// allocated before as many bytes are known to be there.

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Bytes up to which a loop is cheaper than a call of the encoder. */
const SHORT = 48;
const WORDS = 64;
const words: ({ readonly bytes: Uint8Array; readonly text: string } | undefined)[] = Array.from(
  { length: WORDS },
  () => undefined,
);

const FORMS: Readonly<Record<TextForm, (text: string) => boolean>> = {
  any: () => true,
  "profile-name": isProfileName,
  "secret-name": isSecretName,
  "topic-name": isTopicName,
  "identity-name": isIdentityName,
};

/** Where an encoding goes. */
export type EncodeOptions = {
  /** Makes the memory; values that are secret want memory of their own kind. */
  readonly alloc?: (length: number) => Uint8Array;
  /** Bytes left free in front of the encoding. */
  readonly headroom?: number;
};

/**
 * Encodes a value.
 *
 * @returns bytes in memory of their own, so that the caller can wipe them
 * @throws {Violation} CODEC-1 if the value does not fit its schema
 */
export function encode<T>(
  schema: Schema<T>,
  given: T,
  { alloc = plain, headroom = 0 }: EncodeOptions = {},
): Uint8Array {
  const out = alloc(headroom + measure(schema, given));
  const writer = new Writer(out);
  writer.at = headroom;
  write(writer, schema, given);
  return out;
}

function plain(length: number): Uint8Array {
  return new Uint8Array(new ArrayBuffer(length));
}

/**
 * Decodes the one value that the bytes hold. Byte strings are views of `from`, not copies.
 *
 * @throws {Violation} CODEC-2 if the bytes are not the canonical encoding of such a value
 */
export function decode<T>(schema: Schema<T>, from: Uint8Array): T {
  const reader = new Reader(from);
  const result = read(reader, schema);
  if (reader.at !== from.length) throw invalid("bytes follow the value");
  return result as T;
}

function unfit(what: string): Violation {
  return new Violation("CODEC-1", what);
}

function invalid(what: string): Violation {
  return new Violation("CODEC-2", what);
}

/** Writes into a buffer that is known to be large enough. */
export class Writer {
  at = 0;
  readonly out: Uint8Array;

  constructor(out: Uint8Array) {
    this.out = out;
  }

  byte(byte: number): void {
    this.out[this.at++] = byte;
  }

  /** Big-endian, 1 to 8 bytes. */
  number(value: number, length: number): void {
    let rest = value;
    for (let i = length - 1; i >= 0; i--) {
      this.out[this.at + i] = rest % 256;
      rest = Math.floor(rest / 256);
    }
    this.at += length;
  }

  uint(value: number): void {
    if (value < 0x80) this.byte(value);
    else if (value <= 0xff) this.tagged(0xcc, value, 1);
    else if (value <= 0xffff) this.tagged(0xcd, value, 2);
    else if (value <= 0xffff_ffff) this.tagged(0xce, value, 4);
    else this.tagged(0xcf, value, 8);
  }

  tagged(tag: number, value: number, length: number): void {
    this.byte(tag);
    this.number(value, length);
  }

  arrayHeader(length: number): void {
    if (length < 16) this.byte(0x90 | length);
    else if (length <= 0xffff) this.tagged(0xdc, length, 2);
    else this.tagged(0xdd, length, 4);
  }

  binHeader(length: number): void {
    if (length <= 0xff) this.tagged(0xc4, length, 1);
    else if (length <= 0xffff) this.tagged(0xc5, length, 2);
    else this.tagged(0xc6, length, 4);
  }

  bin(bytes: Uint8Array): void {
    this.binHeader(bytes.length);
    this.out.set(bytes, this.at);
    this.at += bytes.length;
  }

  text(text: string): void {
    const length = utf8Length(text);
    if (length < 32) this.byte(0xa0 | length);
    else if (length <= 0xff) this.tagged(0xd9, length, 1);
    else this.tagged(0xda, length, 2);
    if (length === text.length && length < SHORT) {
      // Every byte is one character: cheaper by itself than the encoder's call.
      for (let i = 0; i < length; i++) this.out[this.at + i] = text.charCodeAt(i);
    } else encoder.encodeInto(text, this.out.subarray(this.at));
    this.at += length;
  }
}

/** Reads canonical MessagePack; every read is checked against the end first. */
export class Reader {
  at = 0;
  readonly from: Uint8Array;

  constructor(from: Uint8Array) {
    this.from = from;
  }

  byte(): number {
    const byte = this.from[this.at];
    if (byte === undefined) throw invalid("value ends early");
    this.at++;
    return byte;
  }

  peek(): number {
    return this.from[this.at] ?? -1;
  }

  number(length: number): number {
    let value = 0;
    for (let i = 0; i < length; i++) value = value * 256 + this.byte();
    return value;
  }

  uint(): number {
    const tag = this.byte();
    if (tag < 0x80) return tag;
    if (tag === 0xcc) return this.atLeast(this.number(1), 0x80);
    if (tag === 0xcd) return this.atLeast(this.number(2), 0x100);
    if (tag === 0xce) return this.atLeast(this.number(4), 0x1_0000);
    if (tag !== 0xcf) throw invalid("not an unsigned integer");
    const value = this.atLeast(this.number(8), 0x1_0000_0000);
    if (!Number.isSafeInteger(value)) throw invalid("integer above 2^53 - 1");
    return value;
  }

  atLeast(value: number, least: number): number {
    if (value < least) throw invalid("not the shortest form");
    return value;
  }

  arrayHeader(): number {
    const tag = this.byte();
    if ((tag & 0xf0) === 0x90) return tag & 0x0f;
    if (tag === 0xdc) return this.atLeast(this.number(2), 16);
    if (tag === 0xdd) return this.atLeast(this.number(4), 0x1_0000);
    throw invalid("not an array");
  }

  take(length: number): Uint8Array {
    if (length > this.from.length - this.at) throw invalid("value ends early");
    const bytes = this.from.subarray(this.at, this.at + length);
    this.at += length;
    return bytes;
  }

  bin(): Uint8Array {
    const tag = this.byte();
    if (tag === 0xc4) return this.take(this.number(1));
    if (tag === 0xc5) return this.take(this.atLeast(this.number(2), 0x100));
    if (tag === 0xc6) return this.take(this.atLeast(this.number(4), 0x1_0000));
    throw invalid("not a byte string");
  }

  text(): string {
    return decodeText(this.#textBytes());
  }

  /**
   * As text, for the few words that headers repeat all the time: names of topics and identities.
   * The latest of them are remembered, so nothing that is secret may be read so.
   */
  word(): string {
    const bytes = this.#textBytes();
    const { length } = bytes;
    if (length === 0 || length >= SHORT) return decodeText(bytes);
    const slot = (length * 31 + (bytes[length >> 1] ?? 0) * 7 + (bytes[length - 1] ?? 0)) % WORDS;
    const known = words[slot];
    if (known !== undefined && isSame(known.bytes, bytes)) return known.text;
    const text = decodeText(bytes);
    words[slot] = { bytes: bytes.slice(), text };
    return text;
  }

  #textBytes(): Uint8Array {
    const tag = this.byte();
    if ((tag & 0xe0) === 0xa0) return this.take(tag & 0x1f);
    if (tag === 0xd9) return this.take(this.atLeast(this.number(1), 32));
    if (tag === 0xda) return this.take(this.atLeast(this.number(2), 0x100));
    throw invalid("not a text");
  }
}

function decodeText(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw invalid("not UTF-8");
  }
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Bytes of a text in UTF-8; a lone surrogate counts as the replacement character. */
export function utf8Length(text: string): number {
  let length = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) length += 1;
    else if (unit < 0x800) length += 2;
    else if (unit >= 0xd800 && unit < 0xdc00 && isLowSurrogate(text.charCodeAt(i + 1))) {
      length += 4;
      i++;
    } else length += 3;
  }
  return length;
}

function isLowSurrogate(unit: number): boolean {
  return unit >= 0xdc00 && unit < 0xe000;
}

function uintLength(value: number): number {
  if (value < 0x80) return 1;
  if (value <= 0xff) return 2;
  if (value <= 0xffff) return 3;
  return value <= 0xffff_ffff ? 5 : 9;
}

function measure(node: Node, given: unknown): number {
  switch (node.type) {
    case "secret":
      return measure(node.of, given);
    case "nullable":
      return given === null ? 1 : measure(node.of, given);
    case "bool":
      if (typeof given !== "boolean") throw unfit("not a boolean");
      return 1;
    case "uint":
      if (typeof given !== "number" || !Number.isSafeInteger(given) || given < 0)
        throw unfit("not an unsigned integer");
      return uintLength(given);
    case "text":
    case "one-of": {
      if (typeof given !== "string" || !textFits(node, given)) throw unfit("text does not fit");
      const length = utf8Length(given);
      return length + (length < 32 ? 1 : length <= 0xff ? 2 : 3);
    }
    case "bytes": {
      if (!(given instanceof Uint8Array) || !bytesFit(node, given)) throw unfit("bytes do not fit");
      const { length } = given;
      return length + (length <= 0xff ? 2 : length <= 0xffff ? 3 : 5);
    }
    case "list": {
      if (!Array.isArray(given) || given.length > node.maxItems) throw unfit("list does not fit");
      return given.reduce<number>(
        (sum, item) => sum + measure(node.of, item),
        given.length < 16 ? 1 : given.length <= 0xffff ? 3 : 5,
      );
    }
    case "struct": {
      if (typeof given !== "object" || given === null) throw unfit("not a struct");
      const names = Object.keys(node.fields);
      const record = given as Readonly<Record<string, unknown>>;
      let length = names.length < 16 ? 1 : 3;
      for (const name of names) length += measure(node.fields[name] as Node, record[name]);
      return length;
    }
  }
}

function write(writer: Writer, node: Node, given: unknown): void {
  switch (node.type) {
    case "secret":
      return write(writer, node.of, given);
    case "nullable":
      return given === null ? writer.byte(0xc0) : write(writer, node.of, given);
    case "bool":
      return writer.byte(given === true ? 0xc3 : 0xc2);
    case "uint":
      return writer.uint(given as number);
    case "text":
    case "one-of":
      return writer.text(given as string);
    case "bytes":
      return writer.bin(given as Uint8Array);
    case "list":
      writer.arrayHeader((given as unknown[]).length);
      for (const item of given as unknown[]) write(writer, node.of, item);
      return;
    case "struct": {
      const fields = Object.entries(node.fields);
      writer.arrayHeader(fields.length);
      const record = given as Readonly<Record<string, unknown>>;
      for (const [name, of] of fields) write(writer, of, record[name]);
    }
  }
}

function read(reader: Reader, node: Node): unknown {
  switch (node.type) {
    case "secret":
      return read(reader, node.of);
    case "nullable":
      if (reader.peek() !== 0xc0) return read(reader, node.of);
      reader.byte();
      return null;
    case "bool": {
      const byte = reader.byte();
      if (byte !== 0xc2 && byte !== 0xc3) throw invalid("not a boolean");
      return byte === 0xc3;
    }
    case "uint":
      return reader.uint();
    case "text":
    case "one-of": {
      const text = reader.text();
      if (!textFits(node, text)) throw invalid("text does not fit");
      return text;
    }
    case "bytes": {
      const bytes = reader.bin();
      if (!bytesFit(node, bytes)) throw invalid("bytes do not fit");
      return bytes;
    }
    case "list": {
      const length = reader.arrayHeader();
      // Every item takes a byte, so a list cannot announce more than is there.
      if (length > node.maxItems || length > reader.from.length - reader.at)
        throw invalid("list does not fit");
      const items: unknown[] = [];
      for (let i = 0; i < length; i++) items.push(read(reader, node.of));
      return items;
    }
    case "struct": {
      const fields = Object.entries(node.fields);
      if (reader.arrayHeader() !== fields.length) throw invalid("wrong number of fields");
      const record: Record<string, unknown> = {};
      for (const [name, of] of fields) record[name] = read(reader, of);
      return record;
    }
  }
}

function textFits(node: Node & { type: "text" | "one-of" }, text: string): boolean {
  if (node.type === "one-of") return node.values.includes(text);
  return utf8Length(text) <= node.maxBytes && FORMS[node.form](text) && text.isWellFormed();
}

function bytesFit(node: Node & { type: "bytes" }, given: Uint8Array): boolean {
  return given.length >= node.minBytes && given.length <= node.maxBytes;
}
