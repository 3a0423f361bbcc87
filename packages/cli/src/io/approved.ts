import { isatty } from "node:tty";
import type { BusClient } from "@sesame/core-ipc/client";
import { Denial, Fault, limits, utf8Length, type DenialCode } from "@sesame/core-types";
import { durationMs } from "../duration.ts";
import { print } from "./print.ts";

/** Longest time that a command waits for an answer. */
const MAX_WAIT_MS = 60 * 60_000;

/** What a person can do something about while the command waits. */
const MET_HERE: ReadonlySet<DenialCode> = new Set(["approval-needed", "totp-needed"]);

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
    if (needed.denial.code === "totp-needed") await giveCode(bus, needed.denial);
    else await answered(bus, needed.denial, why, until);
  }
}

async function attempt<T>(
  call: () => Promise<T>,
): Promise<{ readonly done: T } | { readonly denial: Denial }> {
  try {
    return { done: await call() };
  } catch (cause) {
    if (cause instanceof Denial && MET_HERE.has(cause.code)) return { denial: cause };
    throw cause;
  }
}

/** Asks for a one-time code: at a terminal only, since what is on stdin may be for the program. */
async function giveCode(bus: BusClient, denial: Denial): Promise<void> {
  if (!isatty(0)) throw denial;
  const profile = denial.detail;
  const { promptCode } = await import("./prompt-code.ts");
  const code = await promptCode(profile);
  try {
    await bus.call("totp.verify", { profile, code });
  } finally {
    code.fill(0);
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
  if (left() > 0) print(2, `sesame: waiting for approval: \`sesame approve ${id}\`\n`);
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
