import { Denial } from "@sesame/core-types";

// What the file system may answer at any time. Causes are shown without a path.
const CAUSES: Readonly<Record<string, string>> = {
  ENOSPC: "no space left",
  EDQUOT: "quota exceeded",
  EFBIG: "file too large",
  EROFS: "read-only file system",
  EACCES: "permission denied",
  EPERM: "operation not permitted",
  EIO: "input/output error",
  EMFILE: "too many open files",
  ENFILE: "too many open files",
  SQLITE_FULL: "no space left",
  SQLITE_IOERR: "input/output error",
  SQLITE_READONLY: "read-only file",
  SQLITE_CANTOPEN: "file cannot be opened",
  SQLITE_PERM: "permission denied",
};

/** Code of an error of node:fs or SQLite, or "". */
export function errorCode(error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : "";
  return typeof code === "string" ? code : "";
}

/**
 * Turns what storage refused into a denial; anything else is returned as it is, to be rethrown.
 *
 * @param profile - shown if the database is damaged
 */
export function asDenial(error: unknown, profile: string): unknown {
  const code = errorCode(error);
  // SQLite's extended codes begin with the primary one.
  const primary = code.split("_").slice(0, 2).join("_");
  if (primary === "SQLITE_CORRUPT" || primary === "SQLITE_NOTADB") {
    return new Denial("vault-damaged", profile);
  }
  if (primary === "SQLITE_BUSY" || primary === "SQLITE_LOCKED") return new Denial("busy");
  const cause = CAUSES[code] ?? CAUSES[primary];
  return cause === undefined ? error : new Denial("storage-failed", cause);
}

/** Runs `work`; what storage refuses becomes a denial. */
export function storing<T>(profile: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw asDenial(error, profile);
  }
}
