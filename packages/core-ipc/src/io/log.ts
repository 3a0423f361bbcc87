import { writeSync } from "node:fs";
import type { Log } from "@sesame/core-types";
import { printableJson } from "@sesame/core-types/printable";

const STDERR = 2;

/**
 * A line of JSON per event. Fields hold names and numbers, never secrets. People read it on
 * terminals: nothing in it acts on one.
 */
export function jsonLog(daemon: string, descriptor: number = STDERR): Log {
  return (level, event, fields = {}) => {
    const line = printableJson({
      time: new Date().toISOString(),
      level,
      daemon,
      event,
      ...fields,
    });
    try {
      writeSync(descriptor, `${line}\n`);
    } catch {
      // A log that is full or closed must not stop the daemon.
    }
  };
}
