// JSON of one reading. JSON.parse takes the last of two members of one name, rounds large numbers
// and lets parsers of other languages see something else than we see; what carries authority is
// read by this. docs/ENVELOPE.md, JSON.

export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject;
/** Without a prototype: every name in it came from the text. */
export type JsonObject = { readonly [name: string]: JsonValue };

/** Objects and lists within each other, the outermost included. */
export const MAX_JSON_DEPTH = 32;

/** What makes a text no acceptable JSON, and at which character. Holds none of the text. */
export class JsonError extends Error {
  override readonly name = "JsonError";
  /** Characters before it. */
  readonly at: number;

  constructor(reason: string, at: number) {
    super(`${reason}, at character ${at}`);
    this.at = at;
  }
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

const BLANK = /[ \t\n\r]*/y;
// oxlint-disable-next-line no-control-regex -- RFC 8259 §7: control characters must be escaped
const PLAIN = /[^"\\\u0000-\u001f]*/y;
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const HEX = /[0-9a-fA-F]{4}/y;
const ESCAPES: ReadonlyMap<string, string> = new Map([
  ['"', '"'],
  ["\\", "\\"],
  ["/", "/"],
  ["b", "\b"],
  ["f", "\f"],
  ["n", "\n"],
  ["r", "\r"],
  ["t", "\t"],
]);
const WORDS: ReadonlyMap<string, JsonValue> = new Map<string, JsonValue>([
  ["null", null],
  ["true", true],
  ["false", false],
]);

/**
 * Reads one JSON text (RFC 8259) that has one meaning: no member twice, no number that a double
 * cannot hold, no lone surrogate, no byte order mark, nothing behind the value.
 *
 * @param bytes - UTF-8
 * @param maxBytes - longer texts are refused before they are looked at
 * @throws {JsonError}
 */
export function readJson(bytes: Uint8Array, maxBytes: number): JsonValue {
  if (bytes.length > maxBytes) throw new JsonError(`more than ${maxBytes} bytes`, 0);
  let text: string;
  try {
    text = decoder.decode(bytes);
  } catch {
    throw new JsonError("not UTF-8", 0);
  }
  const reader = new JsonReader(text);
  const value = reader.value(MAX_JSON_DEPTH);
  reader.end();
  return value;
}

/**
 * The object itself, if it has all of the required members and none beside the optional ones.
 *
 * @throws {JsonError} naming the member as our list has it, never as the text has it
 */
export function expectMembers(
  value: JsonValue | undefined,
  required: readonly string[],
  optional: readonly string[] = [],
): JsonObject {
  if (!isJsonObject(value)) throw new JsonError("not an object", 0);
  const missing = required.find((name) => !(name in value));
  if (missing !== undefined) throw new JsonError(`the member "${missing}" is missing`, 0);
  const known = new Set([...required, ...optional]);
  if (!Object.keys(value).every((name) => known.has(name)))
    throw new JsonError(`a member beside ${[...known].join(", ")}`, 0);
  return value;
}

export function isJsonObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

class JsonReader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  value(depth: number): JsonValue {
    this.#take(BLANK);
    const first = this.#text[this.#at];
    if (first === '"') return this.#string();
    if (first === "{" || first === "[") {
      if (depth === 0) throw this.#error(`more than ${MAX_JSON_DEPTH} levels`);
      this.#at++;
      return first === "{" ? this.#object(depth - 1) : this.#list(depth - 1);
    }
    for (const [word, value] of WORDS)
      if (this.#text.startsWith(word, this.#at)) {
        this.#at += word.length;
        return value;
      }
    return this.#number();
  }

  end(): void {
    this.#take(BLANK);
    if (this.#at < this.#text.length) throw this.#error("something follows the value");
  }

  #object(depth: number): JsonObject {
    const members = Object.create(null) as Record<string, JsonValue>;
    if (this.#skips("}")) return members;
    do {
      this.#take(BLANK);
      const at = this.#at;
      const name = this.#string();
      if (name in members) throw new JsonError("a member stands there twice", at);
      if (!this.#skips(":")) throw this.#error("a colon is missing");
      members[name] = this.value(depth);
    } while (this.#skips(","));
    if (!this.#skips("}")) throw this.#error("the object does not end");
    return members;
  }

  #list(depth: number): JsonValue[] {
    const items: JsonValue[] = [];
    if (this.#skips("]")) return items;
    do items.push(this.value(depth));
    while (this.#skips(","));
    if (!this.#skips("]")) throw this.#error("the list does not end");
    return items;
  }

  #number(): number {
    const at = this.#at;
    NUMBER.lastIndex = at;
    const found = NUMBER.exec(this.#text);
    if (found === null) throw this.#error("no JSON value");
    const [digits] = found;
    this.#at += digits.length;
    const number = Number(digits);
    if (!Number.isFinite(number) || (Number.isInteger(number) && !Number.isSafeInteger(number)))
      throw new JsonError("a number out of range", at);
    return number;
  }

  #string(): string {
    const at = this.#at;
    if (this.#text[at] !== '"') throw this.#error("a text is missing");
    this.#at++;
    let text = this.#take(PLAIN);
    while (this.#text[this.#at] === "\\") text += this.#escaped() + this.#take(PLAIN);
    if (this.#text[this.#at] !== '"') throw this.#error("the text does not end");
    this.#at++;
    if (!text.isWellFormed()) throw new JsonError("a text with a lone surrogate", at);
    return text;
  }

  #escaped(): string {
    const letter = this.#text[this.#at + 1] ?? "";
    this.#at += 2;
    const plain = ESCAPES.get(letter);
    if (plain !== undefined) return plain;
    const digits = letter === "u" ? this.#take(HEX) : "";
    if (digits === "") throw this.#error("an unknown escape");
    return String.fromCharCode(parseInt(digits, 16));
  }

  /** True, and behind it, if the character comes next, with or without white space before it. */
  #skips(character: string): boolean {
    this.#take(BLANK);
    if (this.#text[this.#at] !== character) return false;
    this.#at++;
    return true;
  }

  #take(what: RegExp): string {
    what.lastIndex = this.#at;
    const found = what.exec(this.#text)?.[0] ?? "";
    this.#at += found.length;
    return found;
  }

  #error(reason: string): JsonError {
    return new JsonError(reason, this.#at);
  }
}
