import type { AuditEntry } from "../entry.ts";
import { blockChangeOf, type RecordedBlock } from "./block.ts";
import { BlocksInForce } from "./blocks-in-force.ts";

/**
 * The block list: what the entries of a log, taken in its order, leave in force. It holds nothing
 * else, so whoever has the log has the list. docs/SIGNALS.md, Block list.
 */
export class BlockList extends BlocksInForce<RecordedBlock> {
  /** True if the entry changed the list. */
  take(entry: AuditEntry): boolean {
    const change = blockChangeOf(entry);
    if (change === null) return false;
    if ("removes" in change) return this.delete(change.removes);
    this.set(change.adds);
    return true;
  }
}
