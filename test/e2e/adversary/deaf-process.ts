// Subscribes to a topic and stops reading; told to, it reads again and says what it got.
import { decode, encode, MESSAGES, TOPIC_TAG } from "@sesame/core-types";
import { pathsFrom } from "@sesame/core-ipc/daemon";
import { RawClient } from "../../helpers/raw-client.ts";

const [as = "", topic = ""] = process.argv.slice(2);
const client = await RawClient.connect(pathsFrom(process.env), as);
const { params } = MESSAGES["bus.subscribe"];
await client.ask(MESSAGES["bus.subscribe"], encode(params, { topic }));
await client.ask(MESSAGES["bus.subscribe"], encode(params, { topic: "bus.missed" }));
client.socket.pause();
process.send?.({ deaf: true });
process.on("message", () => void listen());
await client.closed;
process.send?.({ closed: true });

async function listen(): Promise<void> {
  client.socket.resume();
  const missed = MESSAGES["bus.missed"];
  const { payload } = await client.until(({ header }) => header.tag === missed.tag);
  const heard = client.received.filter(({ header }) => header.tag === TOPIC_TAG).length;
  process.send?.({ heard, missed: decode(missed.params, payload).count });
}
