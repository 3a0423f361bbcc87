import { existsSync, readFileSync } from "node:fs";

/**
 * Published test vectors, which lie beside the repository and are not part of it. Empty where they
 * do not, so that nothing is tested with them; a machine that must have them fails.
 */
export function published<T>(name: string, none: T): T {
  const file = new URL(`../../../shared/vectors/${name}`, import.meta.url);
  if (!existsSync(file) && process.env["CI"] !== "true") return none;
  return JSON.parse(readFileSync(file, "utf8")) as T;
}

/** Why a test that needs them is skipped, or false. */
export function absent(vectors: readonly unknown[]): string | false {
  return vectors.length === 0 && "the published vectors are not beside the repository";
}
