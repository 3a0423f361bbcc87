import { isatty } from "node:tty";
import type { BusClient } from "@sesame/core-ipc/client";
import { Denial, Fault, limits, type AskedApproval, type Params } from "@sesame/core-types";
import { withBus, type Context } from "../context.ts";
import { durationMs } from "../duration.ts";
import { print } from "../io/print.ts";
import { printable } from "../printable.ts";
import { table, type Outcome } from "../render.ts";

export type ApproveFlags = {
  readonly list?: boolean;
  readonly once?: boolean;
  readonly for?: string;
  readonly never?: boolean;
  readonly watch?: boolean;
};

type Answer = Pick<Params<"approval.answer">, "answer" | "forMs">;

const ASKED_FOR = "10m";

/** Shows who asks for what, and answers. */
export function approve(
  context: Context,
  id: string | undefined,
  flags: ApproveFlags,
): Promise<Outcome> {
  const answer = answerOf(flags);
  if (flags.list === true) return withBus(context, list);
  if (flags.watch === true) return withBus(context, (bus) => watch(bus));
  return withBus(context, async (bus) => {
    const asked = await askedOf(bus, id);
    if (answer !== null && id === undefined && asked.length > 1)
      throw new Fault("usage", "more than one request waits", "name one: `sesame approve --list`");
    const answers: { id: string; answer: string }[] = [];
    for (const one of asked) {
      const given = answer ?? (await ask(one));
      if (given === null) continue;
      // One that has ended keeps nobody from answering the others.
      if (answer !== null) await bus.call("approval.answer", { id: one.id, ...given });
      else if (!(await answerStill(bus, one.id, given))) continue;
      answers.push({ id: one.id, answer: given.answer });
    }
    const lines = answers.map((given) => `${given.id}: ${given.answer}`);
    return {
      text: asked.length === 0 ? "Nothing waits for approval." : lines.join("\n"),
      data: { answers },
    };
  });
}

async function askedOf(bus: BusClient, id: string | undefined): Promise<AskedApproval[]> {
  const { asked } = await bus.call("approval.list", {});
  if (id === undefined) return asked;
  const found = asked.filter((one) => one.id === id);
  if (found.length === 0) throw new Denial("not-asked", printable(id).slice(0, 64));
  return found;
}

async function list(bus: BusClient): Promise<Outcome> {
  const { asked } = await bus.call("approval.list", {});
  const rows = asked.map((one) => [
    one.id,
    one.name,
    one.kind,
    one.capability,
    one.profile ?? "",
    secretsOf(one),
    one.reason ?? "",
    programOf(one),
  ]);
  return {
    text: table(
      ["ID", "WHO", "KIND", "WANTS", "PROFILE", "SECRETS", "REASON (ITS WORD)", "PROGRAM"],
      rows,
    ),
    data: { asked },
  };
}

/** A call that names no secret is approved as a whole. */
function secretsOf({ names }: AskedApproval): string {
  return names.length === 0 ? "(names none)" : names.join(" ");
}

function programOf({ peer }: AskedApproval): string {
  const [first] = peer?.processes ?? [];
  return first === undefined ? "unknown" : `${first.executable ?? first.title} (${first.pid})`;
}

/** What a person needs to know before saying yes. */
function shown(one: AskedApproval): string {
  const { id, name, kind, capability, profile, reason, peer } = one;
  const processes = (peer?.processes ?? [])
    .map(({ pid, title, executable }) => `${executable ?? title} (${pid})`)
    .join(" < ");
  return [
    `${id}: ${name} (${kind}) wants ${capability}${profile === null ? "" : ` in profile ${profile}`}`,
    `  secrets:  ${secretsOf(one)}`,
    `  reason:   ${reason ?? "none given"}`,
    `  program:  ${processes === "" ? "unknown" : processes}`,
    `  unit:     ${peer?.unit ?? "unknown"}`,
    `  asked:    ${new Date(one.askedMs).toISOString()}`,
  ]
    .map(printable)
    .join("\n");
}

/** Asks at the terminal; null: leave it waiting. */
async function ask(one: AskedApproval): Promise<Answer | null> {
  print(2, `${shown(one)}\n`);
  const { choose } = await import("../io/prompt.ts");
  const word = choose(`[o]nce, [t]en minutes, [n]ever, or leave it waiting? `);
  if (/^o(nce)?$/i.test(word)) return { answer: "once", forMs: 0 };
  if (/^t(en)?$/i.test(word)) return { answer: "for", forMs: forMs(ASKED_FOR) };
  if (/^n(ever)?$/i.test(word)) return { answer: "never", forMs: 0 };
  return null;
}

/** Tells of each new request until it is stopped, and asks where there is a terminal. */
async function watch(bus: BusClient): Promise<Outcome> {
  const { notify } = await import("../io/notify.ts");
  const seen = new Set<string>();
  let news = Promise.withResolvers<void>();
  await bus.on("approval.changed", () => news.resolve());
  const stopped = Promise.withResolvers<"stopped">();
  process.once("SIGINT", () => stopped.resolve("stopped"));
  const ended = bus.closed.then((cause) => {
    throw cause ?? new Fault("unavailable", "the bus has ended", "run `sesame status`");
  });
  for (;;) {
    const { asked } = await bus.call("approval.list", {});
    for (const one of asked) {
      if (seen.has(one.id)) continue;
      seen.add(one.id);
      notify(`${one.name} wants ${one.capability}`, `sesame approve ${one.id}`);
      const answer = isatty(0) ? await ask(one) : null;
      if (!isatty(0)) print(1, `${shown(one)}\n`);
      if (answer !== null) await answerStill(bus, one.id, answer);
    }
    if ((await Promise.race([news.promise, ended, stopped.promise])) === "stopped") break;
    news = Promise.withResolvers<void>();
  }
  return { text: "", data: undefined };
}

/** False if it has ended while the person was thinking. */
async function answerStill(bus: BusClient, id: string, answer: Answer): Promise<boolean> {
  try {
    await bus.call("approval.answer", { id, ...answer });
    return true;
  } catch (cause) {
    if (!(cause instanceof Denial) || cause.code !== "not-asked") throw cause;
    print(2, `sesame: ${printable(cause.message)}\n`);
    return false;
  }
}

function answerOf(flags: ApproveFlags): Answer | null {
  const { once, never, for: time } = flags;
  const given = [once === true, time !== undefined, never === true].filter(Boolean).length;
  if (given > 1)
    throw new Fault("usage", "there is one answer", "`--once`, `--for TIME` or `--never`");
  if (once === true) return { answer: "once", forMs: 0 };
  if (never === true) return { answer: "never", forMs: 0 };
  return time === undefined ? null : { answer: "for", forMs: forMs(time) };
}

function forMs(time: string): number {
  const ms = durationMs(time, "--for", limits.MAX_APPROVAL_MS);
  if (ms > 0) return ms;
  throw new Fault("usage", "an approval for no time is none", "for example `--for 10m`");
}
