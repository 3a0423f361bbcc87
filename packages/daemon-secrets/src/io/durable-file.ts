import {
  closeSync,
  fchmodSync,
  fsyncSync,
  linkSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";
import { errorCode } from "./storage-error.ts";

/** Readable and writable by the owner alone. */
const PRIVATE_MODE = 0o600;

/** Replaces a file as a whole: after a crash it is the old one or the new one. */
export function replaceFile(path: string, text: string): void {
  const temporary = writeBeside(path, text);
  renameSync(temporary, path);
  syncDirectory(dirname(path));
}

/** Creates a file as a whole. Error EEXIST if there is one; it stays as it is. */
export function createFile(path: string, text: string): void {
  const temporary = writeBeside(path, text);
  try {
    linkSync(temporary, path);
  } finally {
    rmSync(temporary);
  }
  syncDirectory(dirname(path));
}

function writeBeside(path: string, text: string): string {
  const temporary = `${path}.tmp`;
  const file = openSync(temporary, "w", PRIVATE_MODE);
  try {
    fchmodSync(file, PRIVATE_MODE);
    writeFileSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  return temporary;
}

/** Makes an empty file of our own; error EEXIST if there is one. */
export function createEmpty(path: string): void {
  const file = openSync(path, "wx", PRIVATE_MODE);
  closeSync(file);
}

/** The text of a file of at most `maxBytes` bytes; null if it is longer; undefined if absent. */
export function readBounded(path: string, maxBytes: number): string | null | undefined {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  }
  try {
    const bytes = Buffer.alloc(maxBytes + 1);
    let length = 0;
    for (;;) {
      const count = readSync(file, bytes, length, bytes.length - length, null);
      if (count === 0) return bytes.toString("utf8", 0, length);
      length += count;
      if (length > maxBytes) return null;
    }
  } finally {
    closeSync(file);
  }
}

/** Makes names that were created, renamed or removed in a directory durable. */
export function syncDirectory(path: string): void {
  const directory = openSync(path, "r");
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}
