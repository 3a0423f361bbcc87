import { writeSync } from "node:fs";

/**
 * Writes all of a text or of some bytes to stdout (1) or stderr (2).
 *
 * Directly to the descriptor: `process.stdout` takes four milliseconds to make. A reader that
 * closes the pipe has seen enough, so that ends the program quietly.
 */
export function print(descriptor: 1 | 2, content: string | Uint8Array): void {
  const bytes = typeof content === "string" ? Buffer.from(content) : content;
  let at = 0;
  while (at < bytes.length) {
    try {
      at += writeSync(descriptor, bytes, at);
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException;
      if (code === "EPIPE") process.exit(0);
      // A terminal or pipe that another program made non-blocking.
      if (code !== "EAGAIN") throw cause;
    }
  }
}
