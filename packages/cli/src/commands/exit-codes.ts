import { EXIT_CODES } from "@sesame/core-types";
import { table, type Outcome } from "../render.ts";

export function exitCodes(): Outcome {
  const rows = Object.entries(EXIT_CODES).map(([name, { code, meaning }]) => [
    String(code),
    name,
    meaning,
  ]);
  return { text: table(["CODE", "NAME", "MEANING"], rows), data: EXIT_CODES };
}
