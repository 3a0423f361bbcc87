import type { BusClient } from "@sesame/core-ipc/client";
import { Denial, Fault, limits, utf8Length } from "@sesame/core-types";
import { durationMs } from "../duration.ts";
import { printable } from "../printable.ts";
import { print } from "./print.ts";

/** Longest time that a command waits for an answer. */
const MAX_WAIT_MS = 60 * 60_000;

/** Flags of commands that may have to be approved. */
export type ApprovalFlags = { readonly wait?: string; readonly reason?: string };

/**
 * Makes a call; if it has to be approved, waits for the answer and makes it again. Who stops waiting
 * can run the same later: it joins the request that is there, or finds it answered.
 *
 * @throws {Denial} approval-needed, if nobody answered in time; capability-missing after a no
 */
export async function approved<T>(
  bus: BusClient,
  { wait = "60s", reason }: ApprovalFlags,
  call: () => Promise<T>,
): Promise<T> {
  const until = performance.now() + durationMs(wait, "--wait", MAX_WAIT_MS);
  const why = reasonOf(reason);
  for (;;) {
    const needed = await attempt(call);
    if ("done" in needed) return needed.done;
    await answered(bus, needed.denial, why, until);
  }
}

async function attempt<T>(
  call: () => Promise<T>,
): Promise<{ readonly done: T } | { readonly denial: Denial }> {
  try {
    return { done: await call() };
  } catch (cause) {
    if (cause instanceof Denial && cause.code === "approval-needed") return { denial: cause };
    throw cause;
  }
}

/** Returns once there is an answer, which the next try will find. */
async function answered(
  bus: BusClient,
  denial: Denial,
  reason: string | null,
  until: number,
): Promise<void> {
  const id = denial.detail;
  const left = (): number => Math.max(0, Math.floor(until - performance.now()));
  if (left() > 0) print(2, `sesame: waiting for approval: \`sesame approve ${printable(id)}\`\n`);
  for (;;) {
    const waitMs = Math.min(left(), limits.MAX_WAIT_MS);
    const { state } = await bus.call("approval.wait", { id, reason, waitMs });
    if (state === "approved" || state === "refused") return;
    // Nobody answered while the request lived, or while this command was to wait.
    if (state === "gone" || left() === 0) throw denial;
  }
}

function reasonOf(reason: string | undefined): string | null {
  if (reason === undefined) return null;
  if (utf8Length(reason) <= limits.MAX_REASON_BYTES && reason.isWellFormed()) return reason;
  const most = limits.MAX_REASON_BYTES;
  throw new Fault("usage", `a reason has at most ${most} bytes of UTF-8`, "make it shorter");
}
