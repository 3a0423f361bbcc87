import type { AuditFile, AuditFiles } from "../files.ts";

type Inode = { data: Buffer; durable: Buffer; links: number };

/** A file system error as Node gives it. */
export function fsError(code: string): Error {
  return Object.assign(new Error(code), { code });
}

/** What a disk may do wrong: called before each operation; an error that it throws is the outcome. */
export type Mishap = (operation: string, name: string) => void;

/**
 * A directory in memory that keeps apart what was written and what was synced, so that a power cut
 * can be had at any operation. The write during which a mishap happens is done by half.
 */
export class MemoryFiles implements AuditFiles {
  #names = new Map<string, Inode>();
  #durableNames = new Map<string, Inode>();
  mishap: Mishap = () => undefined;
  operations = 0;
  syncs = 0;
  /** Files that were opened and not closed. */
  opened = 0;

  /** A directory of files that are all on disk. */
  static of(contents: ReadonlyMap<string, Uint8Array>): MemoryFiles {
    const files = new MemoryFiles();
    for (const [name, bytes] of contents) files.put(name, bytes);
    return files;
  }

  put(name: string, bytes: Uint8Array): void {
    const data = Buffer.from(bytes);
    const inode = { data, durable: data, links: 1 };
    this.#names.set(name, inode);
    this.#durableNames.set(name, inode);
  }

  get(name: string): Buffer {
    const inode = this.#names.get(name);
    if (inode === undefined) throw fsError("ENOENT");
    return inode.data;
  }

  /** What another process finds after this one was killed. */
  afterKill(): MemoryFiles {
    return MemoryFiles.of(new Map([...this.#names].map(([name, { data }]) => [name, data])));
  }

  /** What is left after a power cut, at worst. */
  afterPowerCut(): MemoryFiles {
    const left = [...this.#durableNames].map(([name, inode]) => [name, inode.durable] as const);
    return MemoryFiles.of(new Map(left));
  }

  #begin(operation: string, name: string): void {
    this.operations++;
    this.mishap(operation, name);
  }

  async prepare(): Promise<void> {
    this.#begin("prepare", "");
  }

  async list(): Promise<string[]> {
    this.#begin("list", "");
    return [...this.#names.keys()];
  }

  async open(name: string): Promise<AuditFile | null> {
    this.#begin("open", name);
    const inode = this.#names.get(name);
    return inode === undefined ? null : this.#file(name, inode);
  }

  async create(name: string): Promise<AuditFile> {
    this.#begin("create", name);
    const inode = { data: Buffer.alloc(0), durable: Buffer.alloc(0), links: 1 };
    this.#names.set(name, inode);
    return this.#file(name, inode);
  }

  async rename(from: string, to: string): Promise<void> {
    this.#begin("rename", from);
    const inode = this.#names.get(from);
    if (inode === undefined) throw fsError("ENOENT");
    this.#names.delete(from);
    this.#names.set(to, inode);
  }

  async remove(name: string): Promise<void> {
    this.#begin("remove", name);
    const inode = this.#names.get(name);
    if (inode !== undefined) inode.links = 0;
    this.#names.delete(name);
  }

  async syncNames(): Promise<void> {
    this.#begin("syncNames", "");
    this.#durableNames = new Map(this.#names);
  }

  #file(name: string, inode: Inode): AuditFile {
    this.opened++;
    const write = (bytes: Uint8Array, position: number): number => {
      const end = Math.max(inode.data.length, position + bytes.length);
      const data = Buffer.alloc(end);
      inode.data.copy(data);
      data.set(bytes, position);
      inode.data = data;
      return bytes.length;
    };
    return {
      read: async (target, position) => {
        this.#begin("read", name);
        return inode.data.copy(target, 0, position);
      },
      write: async (bytes, position) => {
        try {
          this.#begin("write", name);
        } catch (error) {
          write(bytes.subarray(0, bytes.length >> 1), position);
          throw error;
        }
        return write(bytes, position);
      },
      truncate: async (length) => {
        this.#begin("truncate", name);
        const data = Buffer.alloc(length);
        inode.data.copy(data);
        inode.data = data;
      },
      sync: async () => {
        this.#begin("sync", name);
        this.syncs++;
        inode.durable = Buffer.from(inode.data);
      },
      stat: async () => {
        this.#begin("stat", name);
        return { size: inode.data.length, links: inode.links };
      },
      close: async () => {
        this.opened--;
      },
    };
  }
}
