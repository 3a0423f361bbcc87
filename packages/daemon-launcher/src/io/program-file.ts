import {
  accessSync,
  closeSync,
  constants,
  fstatSync,
  openSync,
  readlinkSync,
  readSync,
  writeSync,
} from "node:fs";
import { setImmediate } from "node:timers/promises";
import { createSha256 } from "@sesame/core-crypto/sha256";
import { errorCode } from "@sesame/core-ipc/daemon";
import { Denial, limits } from "@sesame/core-types";
import { isOnRootsMount } from "./mount.ts";

/** A program that was opened once: what is executed is what was hashed. */
export type ProgramFile = {
  readonly fd: number;
  /** Of its content, 32 bytes. */
  readonly sha256: Uint8Array;
  readonly close: () => void;
};

const PIECE = 1024 * 1024;
const ELF_HEADER = 64;
/** Bytes of a script that the kernel looks at for its interpreter. */
const FIRST_LINE = 256;
/** open(2): a file without a name. Node has no constant for it. */
const O_TMPFILE = 0o20000000 | constants.O_DIRECTORY;

/**
 * Opens and hashes a program. One that its user could change meanwhile is copied to a file that
 * nobody else can reach, and the copy is hashed and run.
 *
 * @param directory - a private one for such copies
 * @throws {Denial} program-missing, program-refused
 */
export async function openProgram(path: string, directory: string): Promise<ProgramFile> {
  const fd = openFile(path);
  try {
    const { size, uid, mode } = checked(fd, path);
    const isRoots = uid === 0 && (mode & 0o022) === 0 && isOnRootsMount(fd);
    if (isRoots && process.getuid?.() !== 0)
      return { fd, sha256: await read(fd, size, path), close: () => closeSync(fd) };
  } catch (cause) {
    closeSync(fd);
    throw cause;
  }
  try {
    return await copied(fd, path, directory);
  } finally {
    closeSync(fd);
  }
}

/**
 * A directory to run in, held open: what the path leads to later does not matter.
 *
 * @throws {Denial} directory-refused, also if the path leads through symbolic links
 */
export function openDirectory(path: string): number {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  } catch {
    throw new Denial("directory-refused", path);
  }
  if (readlinkSync(`/proc/self/fd/${fd}`) === path) return fd;
  closeSync(fd);
  throw new Denial("directory-refused", path);
}

function openFile(path: string): number {
  try {
    // A pipe in the program's place must not make anybody wait.
    return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (cause) {
    const absent = ["ENOENT", "ENOTDIR", "ELOOP", "ENAMETOOLONG"].includes(errorCode(cause));
    if (absent) throw new Denial("program-missing", path);
    throw new Denial("program-refused", `${path} cannot be read`);
  }
}

function checked(fd: number, path: string): { size: number; uid: number; mode: number } {
  const stat = fstatSync(fd);
  if (!stat.isFile()) throw new Denial("program-refused", `${path} is not a file`);
  if (stat.size > limits.MAX_PROGRAM_BYTES)
    throw new Denial("program-refused", `${path} is larger than 256 MiB`);
  try {
    accessSync(`/proc/self/fd/${fd}`, constants.X_OK);
  } catch {
    throw new Denial("program-refused", `${path} is not executable`);
  }
  return stat;
}

/** Hands every piece to `take`; the digest of all. */
async function read(
  fd: number,
  size: number,
  path: string,
  take: (piece: Uint8Array) => void = () => undefined,
): Promise<Uint8Array> {
  const hash = createSha256();
  const buffer = new Uint8Array(Math.min(PIECE, Math.max(size, ELF_HEADER)));
  for (let at = 0; ;) {
    const length = readSync(fd, buffer, 0, buffer.length, at);
    const piece = buffer.subarray(0, length);
    if (at === 0) checkFormat(piece, path);
    if (length === 0) return hash.digest();
    if ((at += length) > limits.MAX_PROGRAM_BYTES)
      throw new Denial("program-refused", `${path} grows while it is read`);
    hash.update(piece);
    take(piece);
    await setImmediate();
  }
}

/** Of what the kernel does not take the C library would make scripts for a shell. execvp(3) */
function checkFormat(start: Uint8Array, path: string): void {
  const head = Buffer.from(start.subarray(0, FIRST_LINE)).toString("latin1");
  if (!/^#![ \t]*\//.test(head) && !isNative(start))
    throw new Denial(
      "program-refused",
      `${path} is neither a binary for this machine nor a script with #!/`,
    );
}

/** An executable or shared ELF file for the processor that runs the launcher itself. elf(5) */
function isNative(start: Uint8Array): boolean {
  const own = openSync("/proc/self/exe", constants.O_RDONLY);
  try {
    const header = Buffer.alloc(ELF_HEADER);
    readSync(own, header, 0, ELF_HEADER, 0);
    const isSame = (from: number, to: number): boolean =>
      header.subarray(from, to).equals(start.subarray(from, to));
    // Magic, class and byte order; the type is ET_EXEC or ET_DYN; the machine.
    const type = (start[16] ?? 0) | (start[17] ?? 0);
    return (
      start.length >= ELF_HEADER && isSame(0, 6) && (type === 2 || type === 3) && isSame(18, 20)
    );
  } finally {
    closeSync(own);
  }
}

async function copied(from: number, path: string, directory: string): Promise<ProgramFile> {
  const writer = openSync(directory, O_TMPFILE | constants.O_RDWR, 0o500);
  try {
    const sha256 = await read(from, fstatSync(from).size, path, (piece) => {
      for (let done = 0; done < piece.length;)
        done += writeSync(writer, piece, done, piece.length - done);
    });
    // A file that is open for writing cannot be executed. execve(2), ETXTBSY
    const fd = openSync(`/proc/self/fd/${writer}`, constants.O_RDONLY);
    return { fd, sha256, close: () => closeSync(fd) };
  } finally {
    closeSync(writer);
  }
}
