// Schemas are data: the codec, the log's redaction, the documentation and the fuzz generators
// all interpret the same description.

declare const value: unique symbol;

/** What a text must be, beyond its length. */
export type TextForm = "any" | "profile-name" | "secret-name" | "topic-name" | "identity-name";

export type Node =
  | { readonly type: "text"; readonly form: TextForm; readonly maxBytes: number }
  | { readonly type: "bytes"; readonly minBytes: number; readonly maxBytes: number }
  | { readonly type: "uint" }
  | { readonly type: "bool" }
  | { readonly type: "one-of"; readonly values: readonly string[] }
  | { readonly type: "list"; readonly of: Node; readonly maxItems: number }
  | { readonly type: "nullable"; readonly of: Node }
  | { readonly type: "struct"; readonly fields: Readonly<Record<string, Node>> }
  | { readonly type: "secret"; readonly of: Node };

/** A node that describes values of type T. */
export type Schema<T> = Node & { readonly [value]?: T };

/** The type that a schema describes. */
export type Infer<S> = S extends { readonly [value]?: infer T } ? T : never;

/** Text of a form, at most `maxBytes` bytes of UTF-8. */
export function text(maxBytes: number, form: TextForm = "any"): Schema<string> {
  return { type: "text", form, maxBytes };
}

/** Byte string. */
export function bytes(maxBytes: number, minBytes = 0): Schema<Uint8Array> {
  return { type: "bytes", minBytes, maxBytes };
}

/** Integer from 0 to 2^53 - 1. */
export const uint: Schema<number> = { type: "uint" };

export const bool: Schema<boolean> = { type: "bool" };

/** One of a closed list of words. */
export function oneOf<const V extends readonly string[]>(values: V): Schema<V[number]> {
  return { type: "one-of", values };
}

export function list<T>(of: Schema<T>, maxItems: number): Schema<T[]> {
  return { type: "list", of, maxItems };
}

/** A value or null; there are no optional fields, so that every value has one encoding. */
export function nullable<T>(of: Schema<T>): Schema<T | null> {
  return { type: "nullable", of };
}

/** Fields in their order of declaration; the order is part of the wire format. */
export function struct<F extends Readonly<Record<string, Schema<unknown>>>>(
  fields: F,
): Schema<{ [K in keyof F]: Infer<F[K]> }> {
  return { type: "struct", fields };
}

/** A value that no log and no error text may show. */
export function secret<T>(of: Schema<T>): Schema<T> {
  return { type: "secret", of };
}

/** The empty struct. */
export const nothing = struct({});

/** A loggable copy of a value: secrets become their size. */
export function redact(node: Node, given: unknown): unknown {
  switch (node.type) {
    case "secret":
      return given instanceof Uint8Array ? `[${given.length} secret bytes]` : "[secret]";
    case "bytes":
      return given instanceof Uint8Array ? `[${given.length} bytes]` : given;
    case "list":
      return (given as unknown[]).map((item) => redact(node.of, item));
    case "nullable":
      return given === null ? null : redact(node.of, given);
    case "struct": {
      const record = given as Readonly<Record<string, unknown>>;
      return Object.fromEntries(
        Object.entries(node.fields).map(([name, field]) => [name, redact(field, record[name])]),
      );
    }
    default:
      return given;
  }
}

/** Hands every byte string that is marked as secret to `take`. */
export function eachSecret(node: Node, given: unknown, take: (secret: Uint8Array) => void): void {
  switch (node.type) {
    case "secret":
      if (given instanceof Uint8Array) take(given);
      return;
    case "nullable":
      if (given !== null) eachSecret(node.of, given, take);
      return;
    case "list":
      for (const item of given as unknown[]) eachSecret(node.of, item, take);
      return;
    case "struct": {
      const record = given as Readonly<Record<string, unknown>>;
      for (const [name, field] of Object.entries(node.fields))
        eachSecret(field, record[name], take);
      return;
    }
    default:
  }
}

/** One line for the tables of docs/PROTOCOL.md. */
export function describe(node: Node): string {
  switch (node.type) {
    case "text":
      return node.form === "any" ? `text≤${node.maxBytes}` : node.form;
    case "bytes":
      return node.minBytes === node.maxBytes ? `bytes=${node.maxBytes}` : `bytes≤${node.maxBytes}`;
    case "one-of":
      return node.values.join("/");
    case "list":
      return `[${describe(node.of)}]`;
    case "nullable":
      return `${describe(node.of)}?`;
    case "secret":
      return `secret ${describe(node.of)}`;
    case "struct": {
      const fields = Object.entries(node.fields).map(([name, of]) => `${name}: ${describe(of)}`);
      return `{${fields.join(", ")}}`;
    }
    default:
      return node.type;
  }
}
