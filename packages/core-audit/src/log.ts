import { Fault, ID_BYTES, toHex, type Checkpoint, type Clock } from "@sesame/core-types";
import { Batch } from "./batch.ts";
import type { SignatureVerifier } from "./checkpoint.ts";
import { eventBody, type AuditEntry, type AuditEvent } from "./entry.ts";
import { writeAll, type AuditFile, type AuditFiles } from "./files.ts";
import type { Algorithm } from "./hash.ts";
import { nodeFiles } from "./io/node-files.ts";
import { systemSchedule, type Schedule } from "./io/schedule.ts";
import { LINE_OVERHEAD } from "./line.ts";
import { BATCH_BYTES, DEFAULT_LIMITS, MAX_LINE_BYTES, type AuditLimits } from "./limits.ts";
import { cut, Damage, keyChange, openSegment, recover, type Owner, type Tip } from "./recover.ts";

export type AuditLogOptions = {
  /** Directory of the log; made if it is not there. */
  readonly dir: string;
  /** 16 bytes. */
  readonly installationId: Uint8Array;
  /** Of a new log; an existing one keeps its own. Default: blake3. */
  readonly algorithm?: Algorithm;
  /** Ed25519, 64 bytes. */
  readonly sign: (message: Uint8Array) => Uint8Array;
  /** Ed25519, 32 bytes; of the key that signs. */
  readonly publicKey: Uint8Array;
  /** Keys that signed before it, the earliest first. */
  readonly formerKeys?: readonly Uint8Array[];
  /** A crypto suite. */
  readonly suite: SignatureVerifier;
  readonly clock: Pick<Clock, "wallMs">;
  readonly files?: AuditFiles;
  readonly schedule?: Schedule;
  readonly limits?: Partial<AuditLimits>;
};

/** With which keys a log is signed. */
export type LogKeys = Pick<AuditLogOptions, "sign" | "publicKey" | "formerKeys">;

/** The one writer of a log. docs/AUDIT.md, Durability. */
export interface AuditLog {
  /**
   * Records; resolves with the entry's sequence once it is on disk.
   *
   * @throws {Fault} `io` if it could not be written, `integrity` if the log is damaged, `data` if
   *   the entry is too long; then it is not in the log
   */
  append(event: AuditEvent): Promise<number>;
  /** Signs how far the log reaches; the newest checkpoint if nothing was recorded since. */
  checkpoint(): Promise<Checkpoint>;
  /**
   * Has another key sign from here on. What was recorded before is signed by the one before, as far
   * as it can be.
   *
   * @throws {Fault} as append; the next write is under the new key all the same
   */
  rekey(keys: LogKeys): Promise<void>;
  /** False after a failure, until a write succeeds. */
  readonly writable: boolean;
  /** Why it is not writable. */
  readonly fault: Fault | null;
  /** Of the last entry on disk; 0 until the log could be read. */
  readonly sequence: number;
  /** Called with each checkpoint that is made once it is on disk; must not throw. */
  onCheckpoint(listener: (checkpoint: Checkpoint) => void): void;
  /**
   * Called with each entry of a caller's once it is on disk, in the log's order and before whoever
   * appended it hears of it; must not throw.
   */
  onEntry(listener: (entry: AuditEntry) => void): void;
  /** Called once further entries are on disk; must not throw. */
  onGrowth(listener: () => void): void;
  /**
   * Waits for what was appended, writes a checkpoint and closes the files.
   *
   * @throws {Fault} `io` if the checkpoint could not be written
   */
  close(): Promise<void>;
}

/**
 * Opens or begins a log. A log that cannot be written or is damaged opens too, not `writable` and
 * with its `fault`, so that its owner can run and say so.
 */
export async function openAuditLog(options: AuditLogOptions): Promise<AuditLog> {
  const log = new Log(options);
  await log.open();
  return log;
}

type Item = {
  /** Null: a checkpoint. */
  readonly event: AuditEvent | null;
  readonly body: string | null;
  /** Bytes of the line at most. */
  readonly bytes: number;
  readonly resolve: (sequence: number) => void;
  readonly reject: (fault: Fault) => void;
};

// Bytes that a checkpoint's line has at most.
const CHECKPOINT_BYTES = 1_024;

type State =
  | { readonly is: "open"; readonly tip: Tip }
  /** To be recovered before the next write; `durable` is what was acknowledged, if anything. */
  | { readonly is: "failed"; readonly durable: Tip | null; readonly fault: Fault }
  | { readonly is: "damaged"; readonly fault: Fault }
  | { readonly is: "closed"; readonly fault: Fault };

class Log implements AuditLog {
  readonly #files: AuditFiles;
  #owner: Owner;
  readonly #limits: AuditLimits;
  readonly #schedule: Schedule;
  readonly #listeners: ((checkpoint: Checkpoint) => void)[] = [];
  readonly #entryListeners: ((entry: AuditEntry) => void)[] = [];
  readonly #growthListeners: (() => void)[] = [];
  #queue: Item[] = [];
  #draining: Promise<void> | null = null;
  #cancelTimer: (() => void) | null = null;
  #isClosing = false;
  #closed: Promise<void> | null = null;
  #sequence = 0;
  #state: State = { is: "failed", durable: null, fault: ioFault(null) };

  constructor(options: AuditLogOptions) {
    const { installationId, publicKey, sign, suite, clock } = options;
    const { formerKeys = [], algorithm = "blake3" } = options;
    this.#files = options.files ?? nodeFiles(options.dir);
    this.#schedule = options.schedule ?? systemSchedule;
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits };
    // The opening entries, the largest entry and a checkpoint always fit a new segment.
    if (this.#limits.segmentBytes < 2 * MAX_LINE_BYTES)
      throw new RangeError(`a segment has at least ${2 * MAX_LINE_BYTES} bytes`);
    if (installationId.length !== ID_BYTES) throw new RangeError("an installation id has 16 bytes");
    // The line holds unsigned integers; a clock before 1970 shows as 0.
    const now = (): number => Math.max(0, Math.trunc(clock.wallMs()));
    const keys = { publicKey, formerKeys, sign };
    this.#owner = { installationId, ...keys, verifier: suite, now, algorithm };
  }

  get writable(): boolean {
    return this.#state.is === "open";
  }

  get fault(): Fault | null {
    return this.#state.is === "open" ? null : this.#state.fault;
  }

  get sequence(): number {
    return this.#sequence;
  }

  onCheckpoint(listener: (checkpoint: Checkpoint) => void): void {
    this.#listeners.push(listener);
  }

  onEntry(listener: (entry: AuditEntry) => void): void {
    this.#entryListeners.push(listener);
  }

  onGrowth(listener: () => void): void {
    this.#growthListeners.push(listener);
  }

  async open(): Promise<void> {
    try {
      await this.#ready();
    } catch (error) {
      await this.#refuse(error);
    }
  }

  append(event: AuditEvent): Promise<number> {
    const body = eventBody(event);
    const bytes = Buffer.byteLength(body) + LINE_OVERHEAD;
    if (bytes > MAX_LINE_BYTES)
      return Promise.reject(
        new Fault("data", "the audit entry is too long", "shorten the name of what it is about"),
      );
    return this.#enqueue({ event, body, bytes });
  }

  async checkpoint(): Promise<Checkpoint> {
    await this.#enqueue({ event: null, body: null, bytes: CHECKPOINT_BYTES });
    if (this.#state.is !== "open") throw this.#state.fault;
    return this.#state.tip.checkpoint;
  }

  async rekey({ sign, publicKey, formerKeys = [] }: LogKeys): Promise<void> {
    const signed = this.checkpoint();
    await signed.catch(() => undefined);
    this.#owner = { ...this.#owner, sign, publicKey, formerKeys };
    await this.checkpoint();
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    const signed = this.#state.is === "damaged" ? null : this.checkpoint();
    this.#isClosing = true;
    this.#cancelTimer?.();
    try {
      await signed;
    } finally {
      await this.#draining;
      if (this.#state.is === "open") await this.#state.tip.file.close();
      this.#state = { is: "closed", fault: closedFault() };
    }
  }

  #enqueue(wanted: Pick<Item, "event" | "body" | "bytes">): Promise<number> {
    if (this.#isClosing) return Promise.reject(closedFault());
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    this.#queue.push({ ...wanted, resolve, reject });
    this.#draining ??= this.#drain();
    return promise;
  }

  async #drain(): Promise<void> {
    // Everything that this turn of the event loop appends shares the first write.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#queue.length > 0) {
      let items: readonly Item[] = [];
      try {
        const tip = await this.#ready();
        items = this.#isUnderKey(tip) ? this.#take(tip) : [];
        if (items.length === 0) await this.#rotate(tip);
        else await this.#write(tip, items);
      } catch (error) {
        const fault = await this.#refuse(error);
        for (const item of items.length > 0 ? items : this.#queue.splice(0)) item.reject(fault);
      }
    }
    this.#draining = null;
  }

  /** The tip, after recovery where the last write failed. */
  async #ready(): Promise<Tip> {
    if (this.#state.is === "open") return this.#state.tip;
    if (this.#state.is !== "failed") throw this.#state.fault;
    // A failed sync may have left pages that read well and are not on disk: what was not
    // acknowledged goes before anything is read back.
    const { durable } = this.#state;
    if (durable !== null) await cut(this.#files, durable.segment, durable.length);
    const tip = await recover(this.#files, this.#owner, durable);
    this.#advance(tip);
    return tip;
  }

  /** The items that share the next write; none if the segment is full. */
  #take(tip: Tip): readonly Item[] {
    const room = Math.min(this.#limits.segmentBytes - tip.length, BATCH_BYTES);
    let bytes = 0;
    let unsigned = tip.unsigned;
    const end = this.#queue.findIndex((item) => {
      bytes += item.bytes;
      if (++unsigned % this.#limits.checkpointEntries === 0) bytes += CHECKPOINT_BYTES;
      return bytes > room;
    });
    return this.#queue.splice(0, end === -1 ? this.#queue.length : end);
  }

  /** False if another key is to sign than does: that takes a segment of its own. */
  #isUnderKey({ maker }: Tip): boolean {
    return toHex(maker.publicKey) === toHex(this.#owner.publicKey);
  }

  async #rotate(tip: Tip): Promise<void> {
    const segment = tip.segment + 1;
    const change = this.#isUnderKey(tip) ? [] : [keyChange(this.#owner)];
    const next = await openSegment(
      this.#files,
      { ...tip.maker, ...this.#owner },
      {
        segment,
        after: tip.head,
        timeMs: this.#owner.now(),
        controls: [{ type: "segment", number: segment }, ...change],
      },
    );
    await tip.file.close();
    this.#advance(next);
    this.#announce([next.checkpoint]);
  }

  async #write(tip: Tip, items: readonly Item[]): Promise<void> {
    const batch = new Batch(tip.maker, tip.head);
    const made: Checkpoint[] = [];
    let unsigned = tip.unsigned;
    const now = this.#owner.now();
    const entries: AuditEntry[] = [];
    const sequences = items.map(({ event, body }) => {
      const { hash: prev } = batch.head;
      if (body !== null) {
        batch.add(now, body);
        unsigned++;
      }
      const { sequence, hash } = batch.head;
      if (event !== null)
        entries.push({ ...event, prev, seq: sequence, time: now, control: null, hash });
      const isDue = body === null ? unsigned > 0 : unsigned >= this.#limits.checkpointEntries;
      if (isDue) {
        made.push(batch.checkpoint(now));
        unsigned = 0;
      }
      return sequence;
    });

    const bytes = batch.toBytes();
    const length = tip.length + bytes.length;
    if (bytes.length > 0) {
      await expectOurs(tip.file, tip.length);
      await writeAll(tip.file, bytes, tip.length);
      await Promise.all([tip.file.sync(), expectOurs(tip.file, length)]);
    }
    const checkpoint = made.at(-1) ?? tip.checkpoint;
    this.#advance({ ...tip, length, head: batch.head, checkpoint, unsigned });
    for (const entry of entries) for (const tell of this.#entryListeners) tell(entry);
    items.forEach((item, i) => item.resolve(sequences[i] ?? 0));
    this.#announce(made);
    if (bytes.length > 0) for (const tell of this.#growthListeners) queueMicrotask(tell);
  }

  #advance(tip: Tip): void {
    this.#state = { is: "open", tip };
    this.#sequence = tip.head.sequence;
    if (tip.unsigned === 0) {
      this.#cancelTimer?.();
      this.#cancelTimer = null;
    } else if (!this.#isClosing) {
      this.#cancelTimer ??= this.#schedule(this.#limits.checkpointMs, () => {
        this.#cancelTimer = null;
        // A failure shows in `fault`, and to whoever appends next.
        this.checkpoint().catch(() => undefined);
      });
    }
  }

  #announce(made: readonly Checkpoint[]): void {
    for (const checkpoint of made)
      for (const listener of this.#listeners) queueMicrotask(() => listener(checkpoint));
  }

  /** Takes note of a failure, and takes back what was written in part. */
  async #refuse(cause: unknown): Promise<Fault> {
    if (cause instanceof Fault) return cause;
    const state = this.#state;
    const fault = cause instanceof Damage ? damageFault(cause) : ioFault(cause);
    if (cause instanceof Damage) this.#state = { is: "damaged", fault };
    else if (state.is === "open") this.#state = { is: "failed", durable: state.tip, fault };
    else if (state.is === "failed") this.#state = { ...state, fault };

    if (state.is === "open") await takeBack(state.tip, !(cause instanceof Damage));
    return fault;
  }
}

// Before a write, so that nobody's bytes are overwritten, and after it, so that nothing is
// acknowledged that nobody can find.
async function expectOurs(file: AuditFile, length: number): Promise<void> {
  const { size, links } = await file.stat();
  if (links === 0) throw new Damage("the segment in use was removed");
  if (size !== length) throw new Damage("somebody else writes into it");
}

// Where even this fails, recovery does it before the next write, here or after a restart.
async function takeBack({ file, length }: Tip, isOurs: boolean): Promise<void> {
  await Promise.allSettled([isOurs ? file.truncate(length) : null]);
  await Promise.allSettled([file.close()]);
}

function ioFault(cause: unknown): Fault {
  const reason = cause instanceof Error ? errorCode(cause) : "it is not open yet";
  const hint = "free space or fix the permissions of the audit directory";
  return new Fault("io", `the audit log cannot be written: ${reason}`, hint, cause);
}

function errorCode(error: Error): string {
  return "code" in error && typeof error.code === "string" ? error.code : error.message;
}

function damageFault(damage: Damage): Fault {
  const hint = "run `sesame audit verify`; move the directory away to start a new log";
  return new Fault("integrity", `the audit log is damaged: ${damage.message}`, hint, damage);
}

function closedFault(): Fault {
  return new Fault("unavailable", "the audit log is closed", "start the daemon again");
}
