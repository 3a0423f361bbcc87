import {
  blockChangeOf,
  BlockList,
  evidenceHash,
  Strikes,
  type AuditEntry,
  type Block,
  type Strike,
} from "@sesame/core-audit";
import type { Suite } from "@sesame/core-crypto";
import { ENROLLED_KINDS, type Identity } from "@sesame/core-types";

export type BlockerOptions = {
  readonly suite: Pick<Suite, "blake2s">;
  readonly wallMs: () => number;
  /** The identity of an id; null: nobody's. */
  readonly identity: (id: string) => Identity | null;
  /** Puts a block on record, which brings it into force. */
  readonly record: (block: Block) => void;
  /** The list is another one: connections have to fit it. */
  readonly changed: () => void;
};

/** Keeps the block list as the log has it, and adds to it what strikes. docs/SIGNALS.md. */
export class Blocker {
  readonly list: BlockList;
  readonly #options: BlockerOptions;
  readonly #strikes = new Strikes();

  constructor(options: BlockerOptions) {
    this.#options = options;
    this.list = new BlockList(options.wallMs);
  }

  /**
   * Goes on where an earlier process was, before anything new is recorded.
   *
   * @param latest - the log's last entries, for what was counted and not yet enough
   */
  resume(latest: readonly AuditEntry[]): void {
    const due = new Map<string, Strike>();
    for (const entry of latest) {
      const strike = this.#strikes.take(entry);
      if (strike !== null) due.set(strike.identity, strike);
      const change = blockChangeOf(entry);
      // Somebody has decided since.
      if (change !== null) due.delete("adds" in change ? change.adds.subject : change.removes);
    }
    for (const strike of due.values()) this.#strike(strike);
  }

  /** An entry that was just recorded. */
  take(entry: AuditEntry): void {
    if (this.list.take(entry)) this.#options.changed();
    const strike = this.#strikes.take(entry);
    if (strike !== null) this.#strike(strike);
  }

  /**
   * People are not blocked by themselves, since the one who lifts blocks is one of them; nor are
   * daemons, which carry out what others ask for; nor strangers, whose next key costs nothing.
   */
  #strike({ identity: id, reason, untilMs, evidence }: Strike): void {
    const { suite, wallMs, identity: identityOf, record } = this.#options;
    const identity = identityOf(id);
    if (identity === null || !ENROLLED_KINDS.some((kind) => kind === identity.kind)) return;
    if (this.list.hasIdentity(identity) || untilMs <= wallMs()) return;
    const entries = evidence.map(({ seq }) => seq);
    const hashes = evidence.map(({ hash }) => hash);
    const { name } = identity;
    const rests = { hash: evidenceHash(suite, hashes), entries };
    record({ subject: id, name, reason, untilMs, evidence: rests });
  }
}
