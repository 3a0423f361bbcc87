import type { Checkpoint } from "@sesame/core-types";
import { checkpointOf, statement, type Reach } from "./checkpoint.ts";
import { controlBody, type Control } from "./entry.ts";
import { hashHex, type EntryHasher } from "./hash.ts";
import { hashedText, lineText } from "./line.ts";

/** What makes entries: the hash of the log and the key of its owner. */
export type Maker = {
  readonly hasher: EntryHasher;
  /** 16 bytes. */
  readonly installationId: Uint8Array;
  /** Ed25519, 64 bytes. */
  readonly sign: (message: Uint8Array) => Uint8Array;
  /** Of the key that signs; 32 bytes. */
  readonly publicKey: Uint8Array;
};

/** Lines that continue a chain and are written together. The chain itself is not touched. */
export class Batch {
  readonly #maker: Maker;
  readonly #lines: string[] = [];
  #head: Reach;

  constructor(maker: Maker, head: Reach) {
    this.#maker = maker;
    this.#head = head;
  }

  /** The last entry. */
  get head(): Reach {
    return this.#head;
  }

  add(timeMs: number, body: string): void {
    const sequence = this.#head.sequence + 1;
    const hashed = hashedText(this.#head.hash, sequence, timeMs, body);
    const hash = hashHex(this.#maker.hasher.ofText(hashed));
    this.#lines.push(lineText(hashed, hash), "\n");
    this.#head = { sequence, hash, timeMs };
  }

  control(timeMs: number, control: Control): void {
    this.add(timeMs, controlBody(control));
  }

  /** Signs how far the chain reaches, and adds that. */
  checkpoint(timeMs: number): Checkpoint {
    const { sequence, hash } = this.#head;
    const reach = { sequence, hash, timeMs };
    const signature = this.#maker.sign(statement(this.#maker.installationId, reach));
    this.control(timeMs, {
      type: "checkpoint",
      signature: Buffer.from(signature).toString("hex"),
    });
    return checkpointOf(reach, signature);
  }

  toBytes(): Buffer {
    return Buffer.from(this.#lines.join(""), "utf8");
  }
}
