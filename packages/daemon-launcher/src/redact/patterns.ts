import { base64Units, byteUnits, hexUnits, textUnits, type Unit } from "./units.ts";

/** One way in which a piece of a secret may be printed. */
export type Pattern = {
  /** Of the secret. */
  readonly name: string;
  readonly units: readonly Unit[];
  /** Whether lines may be broken between units, as base64(1) and xxd(1) do. */
  readonly wraps: boolean;
};

/** Bytes of the shortest secret that is redacted: shorter ones are in every output. */
export const MIN_REDACTED_BYTES = 4;

/** Longest piece that is looked for at once, in characters or bytes: it bounds what is held back. */
const PIECE = 64;
/** Bytes of a line of a secret that is looked for by itself. */
const MIN_LINE_BYTES = 8;

/** Everything to look for in order not to show a secret; nothing for one that is too short. */
export function patternsOf(name: string, value: Uint8Array): Pattern[] {
  const text = textOf(value);
  if (text === null) return piecesOf([...chunks(value)]).flatMap((piece) => ofBytes(name, piece));
  // Programs print a value without the blank at its ends, and long ones line by line.
  const trimmed = text.trim();
  const lines = trimmed.split(/\r?\n/);
  const parts =
    lines.length === 1
      ? [trimmed]
      : [trimmed, ...lines.filter((line) => Buffer.byteLength(line) >= MIN_LINE_BYTES)];
  const pieces = new Set(parts.flatMap((part) => piecesOf(chunksOfText(part))));
  return [...pieces].flatMap((piece) => ofText(name, piece));
}

function ofText(name: string, piece: string): Pattern[] {
  const bytes = new TextEncoder().encode(piece);
  if (bytes.length < MIN_REDACTED_BYTES) return [];
  return [{ name, units: textUnits(piece), wraps: false }, ...encoded(name, bytes)];
}

function ofBytes(name: string, bytes: Uint8Array): Pattern[] {
  if (bytes.length < MIN_REDACTED_BYTES) return [];
  return [{ name, units: byteUnits(bytes), wraps: false }, ...encoded(name, bytes)];
}

function encoded(name: string, bytes: Uint8Array): Pattern[] {
  const all = [hexUnits(bytes), ...[0, 1, 2].map((before) => base64Units(bytes, before))];
  return all.map((units) => ({ name, units, wraps: true }));
}

function textOf(value: Uint8Array): string | null {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(value);
  } catch {
    return null;
  }
}

function* chunks(value: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < value.length; at += PIECE) yield value.subarray(at, at + PIECE);
}

function chunksOfText(text: string): string[] {
  const characters = Array.from(text);
  return Array.from({ length: Math.ceil(characters.length / PIECE) }, (_, i) =>
    characters.slice(PIECE * i, PIECE * (i + 1)).join(""),
  );
}

/** The last piece may be too short to be looked for: it is taken together with the one before. */
function piecesOf<T extends string | Uint8Array>(all: readonly T[]): T[] {
  const last = all.at(-1);
  const before = all.at(-2);
  if (last === undefined || before === undefined || last.length >= PIECE / 4) return [...all];
  const joined =
    typeof last === "string"
      ? `${before as string}${last}`
      : Buffer.concat([before as Uint8Array, last]);
  return [...all.slice(0, -2), joined as T];
}
