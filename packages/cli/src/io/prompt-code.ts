import { Fault } from "@sesame/core-types";
import { promptHidden } from "./prompt.ts";

/**
 * Asks for a one-time code.
 *
 * @returns six digits, which the caller wipes
 * @throws {Fault} data, if it is something else; and as `promptHidden`
 */
export async function promptCode(profile: string): Promise<Uint8Array> {
  const code = await promptHidden(`One-time code of profile ${profile}: `);
  const isCode = code.length === 6 && code.every((digit) => digit >= 0x30 && digit <= 0x39);
  if (isCode) return code;
  code.fill(0);
  throw new Fault("data", "a one-time code is six digits", "the authenticator app shows it");
}
