// What the log asks of a file system: the directory of one log.

/** What reading a log asks of one open file. Offsets and lengths are bytes. */
export interface ReadableFile {
  /** Bytes read into `target`; 0 at the end. */
  read(target: Uint8Array, position: number): Promise<number>;
  stat(): Promise<{ readonly size: number }>;
  close(): Promise<void>;
}

/** What reading a log asks of its directory. */
export interface ReadableFiles {
  /** Names in the directory; null if there is no directory. */
  list(): Promise<string[] | null>;
  /** An existing file; null if there is none. Never follows a link. */
  open(name: string, access: "read"): Promise<ReadableFile | null>;
}

/** One open file. Errors are Node's, with `code`. */
export interface AuditFile extends ReadableFile {
  /** Bytes written, possibly fewer than given. */
  write(bytes: Uint8Array, position: number): Promise<number>;
  truncate(length: number): Promise<void>;
  /** Resolves when data and length are on disk. fdatasync(2) */
  sync(): Promise<void>;
  /** `links` 0: the file was removed. */
  stat(): Promise<{ readonly size: number; readonly links: number }>;
}

export interface AuditFiles extends ReadableFiles {
  /** Makes the directory, mode 0700, and gives an existing one that mode. */
  prepare(): Promise<void>;
  open(name: string, access: "read" | "write"): Promise<AuditFile | null>;
  /** An empty file of mode 0600, whatever was there. */
  create(name: string): Promise<AuditFile>;
  rename(from: string, to: string): Promise<void>;
  remove(name: string): Promise<void>;
  /** Resolves when created and renamed names are on disk. */
  syncNames(): Promise<void>;
}

export async function writeAll(
  file: AuditFile,
  bytes: Uint8Array,
  position: number,
): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const written = await file.write(bytes.subarray(done), position + done);
    if (written === 0) throw new Error("the file system wrote nothing");
    done += written;
  }
}

/** The bytes from `position` on, at most `length`; fewer at the end of the file. */
export async function readUpTo(
  file: ReadableFile,
  position: number,
  length: number,
): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(length);
  let filled = 0;
  while (filled < length) {
    const read = await file.read(bytes.subarray(filled), position + filled);
    if (read === 0) break;
    filled += read;
  }
  return bytes.subarray(0, filled);
}

/** Runs with an open file, closed at the end; null if there is no such file. */
export async function withFile<T>(
  files: ReadableFiles,
  name: string,
  use: (file: ReadableFile) => Promise<T>,
): Promise<T | null> {
  const file = await files.open(name, "read");
  if (file === null) return null;
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}
