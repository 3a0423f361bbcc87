// Client of our bus for the driver of the peers bench. HOME and XDG_RUNTIME_DIR tell which bus.
import { connectSesame } from "../../link.ts";

const SERVICE = "bench-service";

export async function connect(me) {
  const link = await connectSesame(/^(svc|once)/.test(me) ? SERVICE : "bench-client");
  return {
    ...link,
    request: async (_name, body) => (await link.request(SERVICE, body)).length,
    subscribe: (topic, _mode, heard) => link.subscribe(topic, heard),
    publish: (topic, _mode, body) => link.publish(topic, body),
    drain: () => link.drained(),
  };
}
