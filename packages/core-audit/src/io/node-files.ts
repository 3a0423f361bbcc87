import { constants } from "node:fs";
import { chmod, mkdir, open, readdir, rename, rm, stat, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import type { AuditFile, AuditFiles } from "../files.ts";

const { O_CREAT, O_DIRECTORY, O_NOFOLLOW, O_RDONLY, O_RDWR, O_TRUNC } = constants;

/** The directory `dir` of the real file system. */
export function nodeFiles(dir: string): AuditFiles {
  const at = (name: string): string => join(dir, name);
  return {
    prepare: async () => {
      await mkdir(dir, { recursive: true, mode: 0o700 });
      // A serving daemon may not change modes any more, and need not.
      if (((await stat(dir)).mode & 0o777) !== 0o700) await chmod(dir, 0o700);
    },
    list: () => orNull(readdir(dir)),
    open: async (name, access) => {
      const flags = (access === "read" ? O_RDONLY : O_RDWR) | O_NOFOLLOW;
      const handle = await orNull(open(at(name), flags));
      return handle && nodeFile(handle);
    },
    create: async (name) =>
      nodeFile(await open(at(name), O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW, 0o600)),
    rename: (from, to) => rename(at(from), at(to)),
    remove: (name) => rm(at(name), { force: true }),
    syncNames: async () => {
      const handle = await open(dir, O_RDONLY | O_DIRECTORY);
      await handle.sync().finally(() => handle.close());
    },
  };
}

function nodeFile(handle: FileHandle): AuditFile {
  return {
    read: async (target, position) =>
      (await handle.read(target, 0, target.length, position)).bytesRead,
    write: async (bytes, position) =>
      (await handle.write(bytes, 0, bytes.length, position)).bytesWritten,
    truncate: (length) => handle.truncate(length),
    sync: () => handle.datasync(),
    stat: async () => {
      const { size, nlink } = await handle.stat();
      return { size, links: nlink };
    },
    close: () => handle.close(),
  };
}

async function orNull<T>(made: Promise<T>): Promise<T | null> {
  try {
    return await made;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
    throw error;
  }
}
