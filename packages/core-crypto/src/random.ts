import { randomFillSync } from "node:crypto";
import { allocSecret } from "./secure.ts";

/** `length` bytes from the operating system's generator, in memory of their own. */
export function randomBytes(length: number): Uint8Array {
  return randomFillSync(allocSecret(length));
}
