// What one piece of a secret may look like in a program's output. A unit is the list of byte
// strings that may stand for it.

export type Unit = readonly Uint8Array[];

const BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const SHORT_ESCAPES: Readonly<Record<string, string>> = {
  '"': '\\"',
  "\\": "\\\\",
  "/": "\\/",
  "\b": "\\b",
  "\f": "\\f",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
};

const latin1 = (text: string): Uint8Array => Buffer.from(text, "latin1");

/** A byte as a program prints it: itself, or percent-encoded. RFC 3986 §2.1 */
const BYTES: readonly Unit[] = Array.from({ length: 256 }, (_, byte) =>
  distinct([Uint8Array.of(byte), ...bothCases(percent([byte]))]),
);

/** A half of a byte in hexadecimal, in both cases. */
const NIBBLES: readonly Unit[] = Array.from({ length: 16 }, (_, nibble) =>
  distinct(bothCases(nibble.toString(16))),
);

/** One of the 64 digits, in both alphabets, also where a URL holds it. RFC 4648 §4, §5 */
const DIGITS: readonly Unit[] = Array.from(BASE64, (digit) => {
  if (digit === "+") return [latin1("+"), latin1("-"), ...bothCases("%2b")];
  if (digit === "/") return [latin1("/"), latin1("_"), latin1("\\/"), ...bothCases("%2f")];
  return [latin1(digit)];
});

const characters = new Map<string, Unit>();

/** A character: itself, percent-encoded, escaped as in JSON, or `+` for a blank. RFC 8259 §7 */
function characterUnit(character: string): Unit {
  const known = characters.get(character);
  if (known !== undefined) return known;
  const raw = new TextEncoder().encode(character);
  const units = Array.from(character.length === 1 ? [character] : [character[0], character[1]]);
  const escaped = units
    .map((part = "") => `\\u${part.charCodeAt(0).toString(16).padStart(4, "0")}`)
    .join("");
  const short = SHORT_ESCAPES[character];
  const unit = distinct([
    raw,
    ...bothCases(percent(raw)),
    ...bothCases(escaped, "u"),
    ...(short === undefined ? [] : [latin1(short)]),
    ...(character === " " ? [latin1("+")] : []),
  ]);
  // Every ASCII character once; there is no end of others.
  if (raw.length === 1) characters.set(character, unit);
  return unit;
}

/** Text as it is, in URLs and in JSON. */
export function textUnits(text: string): Unit[] {
  return Array.from(text, characterUnit);
}

/** Bytes as they are, and in URLs. */
export function byteUnits(bytes: Uint8Array): Unit[] {
  return Array.from(bytes, (byte) => BYTES[byte] ?? []);
}

export function hexUnits(bytes: Uint8Array): Unit[] {
  return Array.from(bytes).flatMap((byte) => [NIBBLES[byte >> 4] ?? [], NIBBLES[byte & 15] ?? []]);
}

/**
 * Bytes in base64 where `before` bytes (0 to 2, modulo 3) precede them. The digits at both ends
 * also hold bits of what stands beside: every digit that fits ours is taken.
 */
export function base64Units(bytes: Uint8Array, before: number): Unit[] {
  const from = 8 * before;
  const to = from + 8 * bytes.length;
  const units: Unit[] = [];
  for (let at = from - (from % 6); at < to; at += 6) {
    let value = 0;
    let known = 0;
    for (let i = at; i < at + 6; i += 1) {
      const ours = i >= from && i < to;
      const byte = ours ? (bytes[(i - from) >> 3] ?? 0) : 0;
      value = (value << 1) | ((byte >> (7 - ((i - from) & 7))) & 1);
      known = (known << 1) | (ours ? 1 : 0);
    }
    units.push(
      known === 0b111111
        ? (DIGITS[value] ?? [])
        : DIGITS.filter((_, digit) => (digit & known) === value).flat(),
    );
  }
  return units;
}

function percent(bytes: ArrayLike<number>): string {
  return Array.from(bytes, (byte) => `%${byte.toString(16).padStart(2, "0")}`).join("");
}

/** Lower and upper case; the letter that introduces an escape stays. */
function bothCases(text: string, keep = ""): Uint8Array[] {
  const upper = Array.from(text, (letter) => (letter === keep ? letter : letter.toUpperCase()));
  return [latin1(text), latin1(upper.join(""))];
}

function distinct(all: readonly Uint8Array[]): Unit {
  const seen = new Map(all.map((bytes) => [Buffer.from(bytes).toString("latin1"), bytes]));
  return [...seen.values()];
}
