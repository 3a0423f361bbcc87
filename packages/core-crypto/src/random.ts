import { randomFillSync } from "node:crypto";
import { allocSecret } from "./secure.ts";

/** Fills memory from the operating system's generator, and returns it. */
export function randomFill(memory: Uint8Array): Uint8Array {
  return randomFillSync(memory);
}

/** `length` bytes from the operating system's generator, in memory of their own. */
export function randomBytes(length: number): Uint8Array {
  return randomFillSync(allocSecret(length));
}
