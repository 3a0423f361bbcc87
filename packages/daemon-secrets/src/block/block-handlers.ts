import {
  Denial,
  Fault,
  isBlockSubject,
  isReservedName,
  limits,
  type Identity,
  type VAULT_OWNER,
} from "@sesame/core-types";
import type { Handlers } from "@sesame/core-ipc/server";
import type { Blocks } from "./blocks.ts";

/** What these handlers ask of the daemon around them. */
export type BlockHost = {
  readonly blocks: Blocks;
  /** Whose id or Noise key that is; null: nobody's. */
  readonly subject: (subject: string) => Identity | null;
};

type Kinds = "vault.block" | "vault.unblock";

/** What the operator says of the block list to the owner of the vaults itself. docs/SIGNALS.md. */
export function blockHandlers(host: BlockHost): Pick<Handlers<typeof VAULT_OWNER>, Kinds> {
  const { blocks } = host;

  const subjectOf = (given: string): string => {
    const identity = host.subject(given);
    if (identity !== null && isReservedName(identity.name))
      throw new Denial("params-invalid", "neither the operator nor a daemon is blocked");
    return identity?.id ?? given;
  };

  return {
    "vault.block": async ({ subject: given, untilMs }, call) => {
      expectSubject(given);
      const subject = subjectOf(given);
      call.about(null, subject);
      if (blocks.size >= limits.MAX_BLOCKS && !blocks.isOwn(subject))
        throw new Denial("block-list-full");
      // In force before it is on record: nothing waits for that.
      durable(() => blocks.add({ subject, untilMs }));
      await call.record();
      return {};
    },

    "vault.unblock": async ({ subject }, call) => {
      expectSubject(subject);
      call.about(null, subject);
      await call.record();
      return { changed: durable(() => blocks.remove(subject)) };
    },
  };
}

function durable<T>(change: () => T): T {
  try {
    return change();
  } catch (cause) {
    if (cause instanceof Fault) throw new Denial("storage-failed", "block list");
    throw cause;
  }
}

function expectSubject(subject: string): void {
  if (!isBlockSubject(subject)) throw new Denial("params-invalid", "subject");
}
