// A raw client in a process of its own, with a pid of its own, that does what its parent says.
import { pathsFrom } from "@sesame/core-ipc/daemon";
import { RawClient, type Given, type Received } from "../../helpers/raw-client.ts";

/** What the parent may ask for. */
export type Command =
  | { readonly do: "ask"; readonly given: Omit<Given, "type">; readonly payload?: Uint8Array }
  | { readonly do: "send"; readonly given: Given; readonly payload?: Uint8Array }
  | { readonly do: "frame"; readonly bytes: Uint8Array }
  | { readonly do: "envelope"; readonly header: Uint8Array; readonly payload: Uint8Array }
  | { readonly do: "answer-to"; readonly id: Uint8Array }
  | { readonly do: "received" };

export type Said =
  | { readonly event: "closed" }
  | { readonly event: "answer"; readonly number: number; readonly value: unknown }
  | { readonly event: "failed"; readonly number: number; readonly message: string };

const [as = ""] = process.argv.slice(2);
const say = (said: Said): void => void process.send?.(said);

async function carryOut(client: RawClient, command: Command): Promise<unknown> {
  switch (command.do) {
    case "ask":
      return client.ask(command.given, command.payload);
    case "send":
      return client.send(command.given, command.payload);
    case "answer-to":
      return client.answerTo(command.id);
    case "frame":
      return client.sendFrame(command.bytes);
    case "envelope":
      return client.sendEnvelope(command.header, command.payload);
    case "received":
      return client.received satisfies Received[];
  }
}

async function obey(number: number, work: Promise<unknown>): Promise<void> {
  try {
    say({ event: "answer", number, value: await work });
  } catch (cause) {
    say({ event: "failed", number, message: cause instanceof Error ? cause.message : "" });
  }
}

const connecting = RawClient.connect(pathsFrom(process.env), as === "" ? null : as);
process.on("message", ({ number, command }: { number: number; command: Command }) => {
  void obey(
    number,
    connecting.then((client) => carryOut(client, command)),
  );
});
await obey(
  0,
  connecting.then(({ welcome, session }) => ({ welcome, session })),
);
await connecting.then(({ closed }) => closed).catch(() => undefined);
say({ event: "closed" });
