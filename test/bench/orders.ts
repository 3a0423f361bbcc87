import { setImmediate as turn } from "node:timers/promises";
import { Credit } from "./credit.ts";
import { connectFloor, listenEcho, listenRelay } from "./floor.ts";
import { connectSesame, type Link } from "./link.ts";
import { percentile, timeEach } from "./samples.ts";

// What one process of a measurement can be told to do. See worker.ts.

/** `floor`: the echo server or relay at a path. */
export type Via =
  | { readonly via: "sesame"; readonly as: string }
  | { readonly via: "floor"; readonly path: string; readonly as: string };

type Stream = { readonly topic: string; readonly count: number; readonly credit: string };

const WARM_UP = 200;
const CREDIT_EVERY = 32;
const TURN_EVERY = 64;
const PATIENCE_MS = 60_000;

const links: Link[] = [];
let received: Promise<{ got: number; lastMs: number }> | null = null;

export const orders = {
  listen: async ({ what, path }: { what: "echo" | "relay"; path: string }): Promise<void> => {
    await (what === "echo" ? listenEcho(path) : listenRelay(path));
  },

  connect: async ({ to, count }: { to: Via; count: number }): Promise<void> => {
    for (let i = 0; i < count; i++) links.push(await connect(to));
  },

  disconnect: async (): Promise<void> => {
    await Promise.all(links.splice(0).map((link) => link.close()));
  },

  serve: async (): Promise<void> => first().serve(),

  /** Microseconds. */
  roundTrips: async (given: {
    target: string;
    bytes: number;
    count: number;
  }): Promise<{ p50: number; p99: number }> => {
    const body = Buffer.alloc(given.bytes, "x");
    const times = await timeEach(WARM_UP + given.count, async () => {
      const { length } = await first().request(given.target, body);
      if (length !== given.bytes) throw new RangeError(`answer of ${length} bytes`);
    });
    const measured = times.slice(WARM_UP).map((ms) => ms * 1_000);
    return { p50: percentile(measured, 0.5), p99: percentile(measured, 0.99) };
  },

  /** Every connection hears the topic; see `received`. */
  receive: async ({ topic, count, credit: path }: Stream): Promise<void> => {
    const credit = new Credit(path);
    const counts = links.map(() => 0);
    const { promise, resolve } = Promise.withResolvers<{ got: number; lastMs: number }>();
    const finish = (): void => {
      clearTimeout(timer);
      credit.close();
      resolve({ got: counts.reduce((sum, n) => sum + n, 0), lastMs: nowMs() });
    };
    const timer = setTimeout(finish, PATIENCE_MS);
    received = promise;
    const heard = (i: number): void => {
      const n = (counts[i] ?? 0) + 1;
      counts[i] = n;
      if (n % CREDIT_EVERY !== 0 && n < count) return;
      const least = Math.min(...counts);
      credit.count = least;
      if (least === count) finish();
    };
    for (const [i, link] of links.entries()) await link.subscribe(topic, () => heard(i));
  },

  received: async (): Promise<{ got: number; lastMs: number }> => {
    if (received === null) throw new RangeError("nothing is being received");
    return received;
  },

  /** Publishes as fast as it can, at most `window` messages ahead of the receivers. */
  send: async ({
    topic,
    count,
    credit: path,
    bytes,
    window,
  }: Stream & { bytes: number; window: number }): Promise<{ startMs: number }> => {
    const credit = new Credit(path);
    const body = Buffer.alloc(bytes, "y");
    const startMs = nowMs();
    let known = 0;
    for (let sent = 0; sent < count; sent++) {
      while (sent - known >= window) {
        await first().drained();
        await turn();
        known = credit.count;
        if (nowMs() - startMs > PATIENCE_MS) throw new RangeError(`${known} of ${sent} arrived`);
      }
      first().publish(topic, body);
      if (sent % TURN_EVERY === TURN_EVERY - 1) await turn();
    }
    await first().drained();
    credit.close();
    return { startMs };
  },

  /** From connect to the first answer; milliseconds. */
  handshakes: async ({ to, target, count }: { to: Via; target: string; count: number }) => {
    const body = Buffer.alloc(1);
    const times = await timeEach(count, async () => {
      const link = await connect(to);
      await link.request(target, body);
      links.push(link);
    });
    await orders.disconnect();
    return percentile(times, 0.5);
  },
};

function connect(to: Via): Promise<Link> {
  return to.via === "sesame" ? connectSesame(to.as) : connectFloor(to.path, to.as);
}

function first(): Link {
  const [link] = links;
  if (link === undefined) throw new RangeError("not connected");
  return link;
}

/** One clock for all processes: CLOCK_MONOTONIC. */
function nowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
