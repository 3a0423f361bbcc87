import { NAMED_CAPABILITIES } from "./capability.ts";
import type { MessageRow } from "./messages.ts";
import type { Node, TextForm } from "./schema.ts";

type RequestRow = Pick<Extract<MessageRow, { form: "request" }>, "needs" | "params">;

/** What a call is about, as far as rights can be limited to it. */
export type Subject = {
  /** Profile concerned; null: none, or all of them. */
  readonly profile: string | null;
  /**
   * Secrets concerned, by name; `reachable`: those that the caller may reach, which the answer is
   * cut down to; null: none.
   */
  readonly names: readonly string[] | "reachable" | null;
};

const NAMED: ReadonlySet<unknown> = new Set(NAMED_CAPABILITIES);

/**
 * Read from the parameters by their schema, so that no kind can forget what it is about. A kind
 * whose capability is about names, and that names none, is about whatever the caller may reach.
 */
export function subjectOf(row: RequestRow, params: unknown): Subject {
  const [profile = null] = textsOf(row.params, params, "profile-name");
  if (!NAMED.has(row.needs)) return { profile, names: null };
  const names = namesIn(row.params, params);
  return { profile, names: names ?? "reachable" };
}

/** Null if there is no place for names, or one that was left empty on purpose: null. */
function namesIn(schema: Node, params: unknown): readonly string[] | null {
  if (schema.type !== "struct") return null;
  const record = params as Readonly<Record<string, unknown>>;
  const places = Object.entries(schema.fields).filter(
    ([field, node]) => holds(node, "secret-name") && record[field] !== null,
  );
  if (places.length === 0) return null;
  return places.flatMap(([field, node]) => textsOf(node, record[field], "secret-name"));
}

/** Whether a schema has a place for text of a form. */
export function holds(node: Node, form: TextForm): boolean {
  if (node.type === "text") return node.form === form;
  if (node.type === "struct") return Object.values(node.fields).some((field) => holds(field, form));
  return "of" in node && holds(node.of, form);
}

/** The texts of a form in a value, in the schema's order. */
function textsOf(node: Node, given: unknown, form: TextForm): string[] {
  if (!holds(node, form) || given === null) return [];
  if (node.type === "text") return [given as string];
  if (node.type === "list")
    return (given as unknown[]).flatMap((one) => textsOf(node.of, one, form));
  if ("of" in node) return textsOf(node.of, given, form);
  if (node.type !== "struct") return [];
  const record = given as Readonly<Record<string, unknown>>;
  return Object.entries(node.fields).flatMap(([field, of]) => textsOf(of, record[field], form));
}
