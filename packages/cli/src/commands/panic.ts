import { nodeSuite as suite } from "@sesame/core-crypto/node";
import { idBytes, liftStatement, PanicMark, type Paths } from "@sesame/core-ipc/daemon";
import { Denial, DENIALS, Fault } from "@sesame/core-types";
import { chosenProfile, pathsOf, withBus, type Context } from "../context.ts";
import { promptHidden } from "../io/prompt.ts";
import { askRootKey } from "../io/record.ts";
import type { Outcome } from "../render.ts";
import { isUnrecorded } from "./vault.ts";

export type PanicFlags = {
  readonly lift?: boolean;
  readonly profile?: string;
  readonly rootKey?: boolean;
};

/** Locks everything; works, by harder means, also where the daemons do not answer. */
export async function panic(context: Context, flags: PanicFlags): Promise<Outcome> {
  if (flags.lift === true && flags.rootKey === true) return liftByRoot(context, flags.profile);
  if (flags.lift === true) return lift(context, flags.profile);
  if (flags.rootKey === true)
    throw new Fault(
      "usage",
      "`--root-key` goes with `--lift`",
      "a panic begins without a password",
    );
  if (flags.profile !== undefined)
    throw new Fault("usage", "`--profile` goes with `--lift`", "a panic locks every profile");
  const calm = "Only `sesame panic --lift` ends it.";
  try {
    const { locked } = await withBus(context, (bus) => bus.call("vault.panic", {}), false);
    const text = `Everything is locked, and every use is refused. ${calm}`;
    return { text, data: { locked, stopped: false } };
  } catch (cause) {
    const isRefused =
      cause instanceof Denial &&
      (cause.code === "capability-missing" || cause.code === "clearance-too-low");
    if (isRefused || (cause instanceof Fault && cause.exit === "config")) throw cause;
    if (cause instanceof Denial && isUnrecorded(cause))
      throw new Fault(
        DENIALS[cause.code].exit,
        "everything is locked and every use is refused, but this is not on record",
        cause.hint,
        cause,
      );
    const reason = cause instanceof Error ? cause.message : String(cause);
    await byHand(pathsOf(context), reason);
    const text = `The daemons are stopped, and everything is refused when they start. ${calm}`;
    return { text: `${text}\nThey did not do it themselves: ${reason}`, data: { stopped: true } };
  }
}

/**
 * Without a daemon that answers: the marks that they find when they start, then the end of
 * whatever runs, and with it of all keys in memory.
 */
async function byHand(paths: Paths, reason: string): Promise<void> {
  const failures: unknown[] = [];
  for (const path of [paths.vaultPanic, paths.busPanic]) {
    try {
      new PanicMark(path).hold(Date.now());
    } catch (cause) {
      failures.push(cause);
    }
  }
  const { stopDaemons } = await import("../io/daemons.ts");
  await stopDaemons(paths);
  // Those of another session, which this one cannot reach.
  const { killDaemons } = await import("../io/kill-daemons.ts");
  await killDaemons(paths);
  const [failure] = failures;
  if (failure === undefined) return;
  throw new Fault(
    "io",
    "the daemons are stopped, so everything is locked, but the panic does not outlast their start",
    failure instanceof Fault ? failure.hint : `do not start them: ${reason}`,
    failure,
  );
}

async function lift(context: Context, flag: string | undefined): Promise<Outcome> {
  return withBus(context, async (bus) => {
    const profile = await chosenProfile(context, bus, flag);
    const { panic: holds } = await bus.call("vault.status", {});
    // Where none holds, the answer does not look at the password.
    const password = holds
      ? await promptHidden(`Password of profile ${profile}, to end the panic: `)
      : new Uint8Array(1);
    try {
      const { changed } = await bus.call("vault.lift", { profile, password });
      return lifted(changed);
    } catch (cause) {
      // What usually mends that, making a vault, is refused while the panic holds.
      if (!(cause instanceof Denial) || cause.code !== "vault-missing") throw cause;
      throw new Fault(
        DENIALS[cause.code].exit,
        cause.message,
        "name a profile that has a vault: `-p NAME`; without any, `sesame panic --lift --root-key`",
        cause,
      );
    } finally {
      password.fill(0);
    }
  });
}

/** By the root key instead of a vault: where every vault is lost, or its password. */
async function liftByRoot(context: Context, profile: string | undefined): Promise<Outcome> {
  if (profile !== undefined)
    throw new Fault("usage", "`--profile` and `--root-key` exclude each other", "give one of them");
  const paths = pathsOf(context);
  return withBus(context, async (bus) => {
    const { panic: holds } = await bus.call("vault.status", {});
    if (!holds) return lifted(false);
    const question = "Password of the root key, to end the panic: ";
    const { seed, installation } = await askRootKey(paths, question);
    try {
      const { challenge } = await bus.call("vault.lift-challenge", {});
      if (challenge === null) return lifted(false);
      const { session } = bus;
      const statement = liftStatement({ installation: idBytes(installation), session, challenge });
      const signature = suite.ed25519Sign(seed, statement);
      return lifted((await bus.call("vault.lift-by-root", { signature })).changed);
    } finally {
      seed.fill(0);
    }
  });
}

function lifted(changed: boolean): Outcome {
  const text = changed
    ? "The panic is over. The vaults are locked; `sesame unlock` opens them."
    : "No panic holds; nothing was changed.";
  return { text, data: { changed } };
}
