import { Fault, toHex } from "@sesame/core-types";
import { readBounded, replaceFile } from "../io/files.ts";
import { isSerial, type Installation } from "./record.ts";

// How far a daemon has come with the records of its installation: a file in the daemon's own
// directory, so that whoever can put an old record back cannot have it read as the present one.
// docs/ENROLMENT.md, Older records.

export type RecordMark = {
  /** Id of the installation. */
  readonly installation: string;
  /** Ed25519, 64 hex digits. */
  readonly rootKey: string;
  /** The highest serial that was in force. */
  readonly serial: number;
};

const MAX_BYTES = 1024;

export function markOf({ id, rootKey, serial }: Installation): RecordMark {
  return { installation: id, rootKey: toHex(rootKey), serial };
}

/** Why a record is not taken over. */
export const CONTRADICTIONS = {
  foreign: "it is another installation's",
  older: "it is older than the one that was in force",
} as const;

/** Why a record is not the mark's successor, or the marked one itself; null if it is. */
export function contradiction(
  mark: RecordMark,
  record: Installation,
): keyof typeof CONTRADICTIONS | null {
  const { installation, rootKey, serial } = markOf(record);
  if (installation !== mark.installation || rootKey !== mark.rootKey) return "foreign";
  return serial < mark.serial ? "older" : null;
}

/**
 * @returns null before the first record was in force
 * @throws {Fault} integrity, if the file is not one of ours: it is not taken for a missing one
 */
export function loadMark(path: string): RecordMark | null {
  const file = readBounded(path, MAX_BYTES);
  if (file === null) return null;
  const mark = parse(file.toString("utf8"));
  if (mark === null)
    throw new Fault(
      "integrity",
      `${path} is damaged, so nobody knows which installation record is the latest`,
      "restore it from a backup; or make sure that the record is the latest, and remove it",
    );
  return mark;
}

/** @throws {Fault} if it cannot be made durable; the old one is still there */
export function saveMark(path: string, mark: RecordMark): void {
  replaceFile(path, new TextEncoder().encode(textOf(mark)));
}

function textOf({ installation, rootKey, serial }: RecordMark): string {
  return `${JSON.stringify({ version: 1, installation, rootKey, serial })}\n`;
}

/** Only what textOf writes is read. */
function parse(text: string): RecordMark | null {
  try {
    const mark = JSON.parse(text) as RecordMark;
    return isSerial(mark.serial) && textOf(mark) === text ? mark : null;
  } catch {
    return null;
  }
}
