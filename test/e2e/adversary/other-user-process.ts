// Becomes somebody else and connects to the bus. Started as root.
import { connect } from "node:net";
import { pathsFrom } from "@sesame/core-ipc/daemon";

const NOBODY = 65_534;
const { socket } = pathsFrom(process.env);
process.setgroups?.([]);
process.setgid?.(NOBODY);
process.setuid?.(NOBODY);

process.on("message", () => {
  const bus = connect({ path: socket });
  let code: string | null = null;
  let bytes = 0;
  bus.on("error", (cause: NodeJS.ErrnoException) => {
    code = cause.code ?? cause.message;
  });
  bus.on("data", (chunk) => {
    bytes += chunk.length;
  });
  bus.on("close", () => process.send?.({ code, bytes }));
});
process.send?.({ uid: process.getuid?.() });
