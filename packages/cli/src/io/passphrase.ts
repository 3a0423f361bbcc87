// Passphrases of key files: from the descriptor that SESAME_KEY_FD names, else from the terminal,
// so that stdin stays free for values. docs/KEYS.md, KEYS-5.
import { closeSync } from "node:fs";
import { Fault, limits } from "@sesame/core-types";
import { promptNewOnTerminal, promptOnTerminal } from "./prompt.ts";
import { readLine } from "./stdin.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** Asks for the passphrase of something; the caller wipes it. */
export async function askPassphrase(env: Environment, what: string): Promise<Uint8Array> {
  const [line] = linesOf(env, 1) ?? [];
  return line ?? promptOnTerminal(`Passphrase of ${what}: `);
}

/** Asks for a new passphrase; the caller wipes it. */
export async function askNewPassphrase(env: Environment, name: string): Promise<Uint8Array> {
  const [line] = linesOf(env, 1) ?? [];
  return line ?? promptNew(name);
}

/** Asks for the present passphrase and a new one, each when it is needed. */
export function askToChange(
  env: Environment,
  name: string,
): { readonly present: () => Promise<Uint8Array>; readonly next: () => Promise<Uint8Array> } {
  const lines = linesOf(env, 2);
  return {
    present: async () =>
      lines?.[0] ?? promptOnTerminal(`Present passphrase of the keys of ${name}: `),
    next: async () => lines?.[1] ?? promptNew(name),
  };
}

function promptNew(name: string): Promise<Uint8Array> {
  return promptNewOnTerminal(`New passphrase for the keys of ${name}: `, "The same again: ");
}

/** Lines of the descriptor, which is closed: a program started later must not find it. */
function linesOf(env: Environment, count: number): Uint8Array[] | null {
  const given = env["SESAME_KEY_FD"];
  if (given === undefined) return null;
  const fd = /^[0-9]{1,4}$/.test(given) ? Number(given) : -1;
  if (fd < 0) throw unusable();
  try {
    const lines = Array.from({ length: count }, () => readLine(limits.MAX_PASSWORD_BYTES, fd));
    closeSync(fd);
    return lines.map((line) => {
      if (line !== null && line.length > 0) return line;
      throw new Fault(
        "data",
        "SESAME_KEY_FD gave no passphrase, or too few",
        "write one to a line, then the next; an empty one is refused",
      );
    });
  } catch (cause) {
    throw cause instanceof Fault && cause.exit === "data" ? cause : unusable(cause);
  }
}

function unusable(cause?: unknown): Fault {
  return new Fault(
    "usage",
    "SESAME_KEY_FD does not name an open descriptor",
    "give a number from 0 on: SESAME_KEY_FD=3 sesame … 3< FILE",
    cause,
  );
}
