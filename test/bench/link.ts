import { sodiumSuite as suite } from "@sesame/core-crypto/sodium";
import { openBus } from "@sesame/core-ipc/client";

/** What a measurement needs of a client, whichever bus it is of. */
export type Link = {
  /** Answers requests with what was asked. */
  serve(): Promise<void>;
  request(target: string, body: Uint8Array): Promise<Uint8Array>;
  subscribe(topic: string, published: () => void): Promise<void>;
  publish(topic: string, body: Uint8Array): void;
  /** Resolves once what was published has left. */
  drained(): Promise<void>;
  close(): Promise<void>;
};

/** The bus of the home that the environment tells of. */
export async function connectSesame(as: string): Promise<Link> {
  const bus = await openBus({ suite, as });
  return {
    serve: () => bus.serveApp((body) => body),
    request: (target, body) => bus.request(target, body),
    subscribe: (topic, published) => bus.subscribe(topic, published),
    publish: (topic, body) => bus.publish(topic, body),
    drained: () => bus.drained(),
    close: () => bus.close(),
  };
}
