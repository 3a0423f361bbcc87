import { closeSync, constants, fstatSync, openSync } from "node:fs";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import { errorCode, fileFault, TOKEN_TEXT_BYTES, tokenSeed } from "@sesame/core-ipc/daemon";
import { Fault } from "@sesame/core-types";
import { printable } from "../printable.ts";
import { readLine } from "./stdin.ts";

/**
 * The seed of a token: from a file that nobody else may read, or from stdin with `-`. It is in no
 * argument and in no variable. docs/ENROLMENT.md, ENROL-24.
 *
 * @returns 32 bytes, for the caller to wipe
 */
export function readToken(file: string): Uint8Array {
  const line = file === "-" ? readLine(TOKEN_TEXT_BYTES) : lineOf(file);
  const seed = line === null ? null : tokenSeed(suite, line);
  line?.fill(0);
  if (seed !== null) return seed;
  throw new Fault(
    "data",
    file === "-" ? "stdin holds no token" : `${printable(file)} holds no token`,
    "a token is one line, `sesame-token-…`, as `sesame agent token create` printed it",
  );
}

function lineOf(file: string): Uint8Array | null {
  try {
    const fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const { mode, uid } = fstatSync(fd);
      if ((mode & constants.S_IFMT) !== constants.S_IFREG)
        throw new Fault(
          "config",
          `${printable(file)} is no file`,
          "`-` reads the token from stdin",
        );
      if (uid !== process.getuid?.() && uid !== 0)
        throw new Fault("config", `${printable(file)} belongs to another user`, "copy the token");
      if ((mode & 0o077) !== 0)
        throw new Fault(
          "config",
          `others may read the token in ${printable(file)}`,
          `chmod 600 ${printable(file)}`,
        );
      return readLine(TOKEN_TEXT_BYTES, fd);
    } finally {
      closeSync(fd);
    }
  } catch (cause) {
    if (errorCode(cause) === "ENOENT")
      throw new Fault(
        "not-found",
        `there is no file ${printable(file)}`,
        "name the file that holds the token; `-` reads it from stdin",
      );
    throw fileFault(cause, file);
  }
}
