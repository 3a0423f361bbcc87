// What a starting process tells whoever waits for it: lines on an inherited pipe, in the manner of
// sd_notify(3). `READY=1`; `STATUS=text` while it is not; `ERROR {"exit","message","hint"}` if it
// never will be.
import { closeSync, writeSync } from "node:fs";
import type { Readable } from "node:stream";
import { EXIT_CODES, Fault, type ExitClass } from "@sesame/core-types";

export type Report =
  | { readonly type: "ready" }
  | { readonly type: "status"; readonly text: string }
  | { readonly type: "error"; readonly fault: Fault };

/** Longest line, in characters; a longer one ends the reading. */
const MAX_LINE = 16_384;

export function reportLine(report: Report): string {
  switch (report.type) {
    case "ready":
      return "READY=1\n";
    case "status":
      return `STATUS=${report.text.replace(/\s+/g, " ")}\n`;
    case "error": {
      const { exit, message, hint } = report.fault;
      return `ERROR ${JSON.stringify({ exit, message, hint })}\n`;
    }
  }
}

/** @returns null for a line that is none of these */
export function parseReport(line: string): Report | null {
  if (line === "READY=1") return { type: "ready" };
  if (line.startsWith("STATUS=")) return { type: "status", text: line.slice("STATUS=".length) };
  if (!line.startsWith("ERROR ")) return null;
  try {
    const { exit, message, hint } = JSON.parse(line.slice("ERROR ".length)) as Partial<Fault>;
    if (typeof message !== "string" || typeof hint !== "string") return null;
    return { type: "error", fault: new Fault(isExitClass(exit) ? exit : "fault", message, hint) };
  } catch {
    return null;
  }
}

/** Calls back for every report that comes along a pipe, until its end. */
export function onReports(pipe: Readable, each: (report: Report) => void): void {
  let rest = "";
  pipe.setEncoding("utf8").on("data", (chunk: string) => {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const report = parseReport(line);
      if (report !== null) each(report);
    }
    if (rest.length > MAX_LINE) pipe.destroy();
  });
}

/** The writing end of this process; `READY` and `ERROR` are the last that is said on it. */
export class Announcer {
  #fd: number | null;

  /** @param fd text of an environment variable: nobody waits where it is unset */
  constructor(fd: string | undefined) {
    this.#fd = fd !== undefined && /^\d{1,9}$/.test(fd) ? Number(fd) : null;
  }

  get isOpen(): boolean {
    return this.#fd !== null;
  }

  say(report: Report): void {
    if (this.#fd === null) return;
    try {
      writeSync(this.#fd, reportLine(report));
    } catch {
      // Whoever waited for it is gone.
    }
    if (report.type !== "status") this.close();
  }

  close(): void {
    if (this.#fd !== null) closeSync(this.#fd);
    this.#fd = null;
  }
}

function isExitClass(text: unknown): text is ExitClass {
  return typeof text === "string" && Object.hasOwn(EXIT_CODES, text);
}
