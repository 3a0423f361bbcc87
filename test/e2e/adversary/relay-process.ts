// A man in the middle: owns a socket of its own and passes every byte on to the real bus and back.
// The socket is named after the mode. With `forge` it rewrites the hello, so that the bus seems to
// see the victim.
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { pathsFrom } from "@sesame/core-ipc/daemon";
import { decodeHello, encodeHello } from "../../../packages/core-ipc/src/wire/hello.ts";
import { FrameSplitter, framed } from "../../../packages/core-ipc/src/wire/frame.ts";

const { runtime, socket: real } = pathsFrom(process.env);
const [mode = "", victim = "0"] = process.argv.slice(2);
const own = join(runtime, `${mode}.sock`);
const say = (event: string): void => void process.send?.({ event });

const server = createServer((near) => {
  const far = connect({ path: real });
  far.on("error", () => near.destroy());
  near.on("error", () => far.destroy());
  near.on("close", () => far.destroy());
  far.on("close", () => {
    say("closed");
    near.destroy();
  });
  near.on("data", (chunk) => {
    say("upstream");
    far.write(chunk);
  });
  if (mode !== "forge") {
    far.on("data", (chunk) => {
      say("downstream");
      near.write(chunk);
    });
    return;
  }
  const splitter = new FrameSplitter(65_535);
  let greeted = false;
  far.on("data", (chunk) =>
    splitter.push(chunk, (frame) => {
      say("downstream");
      if (greeted) near.write(framed(frame));
      else {
        const hello = decodeHello(frame);
        near.write(framed(encodeHello({ ...hello, peer: { ...hello.peer, pid: Number(victim) } })));
      }
      greeted = true;
    }),
  );
});
server.listen(own, () => say("ready"));
