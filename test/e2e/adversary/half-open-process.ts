// Opens many connections and never ends a handshake: it sends nothing, or half a message.
import { connect, type Socket } from "node:net";
import { pathsFrom } from "@sesame/core-ipc/daemon";

const { socket: path } = pathsFrom(process.env);
const [mode = "", count = "1"] = process.argv.slice(2);
const HALF = new Uint8Array([0, 0, 0, 96, 1, 2, 3]);
let opened = 0;
let closed = 0;

function open(again: () => void): Socket {
  const socket = connect({ path });
  socket.on("error", () => undefined);
  socket.on("connect", () => {
    if (opened++ % 2 === 0) socket.write(HALF);
    if (opened === Number(count)) process.send?.({ opened });
  });
  socket.on("close", () => {
    closed++;
    again();
  });
  socket.resume();
  return socket;
}

for (let i = 0; i < Number(count); i++)
  open(function again() {
    // Persistent ones take the place that they lost at once.
    if (mode === "persistent") open(again);
    else if (closed === Number(count)) process.send?.({ closed });
  });
