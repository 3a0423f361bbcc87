import {
  decode,
  Denial,
  encode,
  Fault,
  fromHex,
  MESSAGES,
  toHex,
  Violation,
} from "@sesame/core-types";
import { readBounded, replaceFile } from "@sesame/core-ipc/daemon";
import type { WaitingRoom } from "../enrolment/waiting-room.ts";

const VERSION = 1;
/** Of a room full of applicants with the longest fields: a file that is not read ends the bus. */
const MAX_BYTES = 256 * 1024;
const { result: schema } = MESSAGES["agent.list"];

/**
 * Reads who waits; nobody does before the first has come.
 *
 * @throws {Fault} integrity, if the file is not one of ours
 */
export function loadPending(path: string): WaitingRoom {
  const file = readBounded(path, MAX_BYTES);
  if (file === null) return [];
  const pending = parse(file.toString("utf8"));
  if (pending === null)
    throw new Fault("integrity", `${path} is damaged`, "remove it; who waited enrols again");
  return pending;
}

/** @throws {Denial} storage-failed; the old file is still there */
export function savePending(path: string, room: WaitingRoom): void {
  // The form on the wire has bounds and one encoding of everything; names are for people.
  const content = {
    version: VERSION,
    names: room.map(({ enrolment }) => enrolment.name),
    pending: toHex(encode(schema, { pending: [...room] })),
  };
  try {
    replaceFile(path, new TextEncoder().encode(`${JSON.stringify(content, null, 2)}\n`));
  } catch (cause) {
    if (cause instanceof Fault) throw new Denial("storage-failed", "list of enrolments");
    throw cause;
  }
}

function parse(text: string): WaitingRoom | null {
  try {
    const { version, pending } = Object(JSON.parse(text)) as Readonly<Record<string, unknown>>;
    const encoded = version === VERSION && typeof pending === "string" ? fromHex(pending) : null;
    return encoded === null ? null : decode(schema, encoded).pending;
  } catch (cause) {
    if (cause instanceof SyntaxError || cause instanceof Violation) return null;
    throw cause;
  }
}
