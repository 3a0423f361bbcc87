import { spawn } from "node:child_process";
import { lstatSync } from "node:fs";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import { readBounded } from "@sesame/core-ipc/daemon";
import { Fault } from "@sesame/core-types";
import { printable } from "../printable.ts";
import type { AlertConfig } from "../signals/alert-config.ts";
import { lineOf, signatureOf, type Alert } from "../signals/alert.ts";

/** A place for alerts. */
export type Sink = {
  readonly name: string;
  /** Rejects with what hindered it. */
  readonly deliver: (alert: Alert) => Promise<void>;
};

const TIMEOUT_MS = 10_000;
const MIN_SECRET_BYTES = 16;
const MAX_SECRET_BYTES = 4_096;

/**
 * The places that a configuration names.
 *
 * @throws {Fault} config, if the webhook's secret is missing, short, or open to others
 */
export function sinksOf({ command, webhook, desktop }: AlertConfig): readonly Sink[] {
  return [
    ...(command === null ? [] : [commandSink(command)]),
    ...(webhook === null ? [] : [webhookSink(webhook.url, secretIn(webhook.secretFile))]),
    ...(desktop ? [desktopSink()] : []),
  ];
}

/**
 * A file of our own that nobody else may change, or read.
 *
 * @throws {Fault} config
 */
export function privateFile(path: string, maxBytes: number): Buffer {
  const content = readBounded(path, maxBytes);
  if (content === null) throw new Fault("config", `there is no file ${path}`, "write it first");
  const { mode, uid } = lstatSync(path);
  if (uid !== process.getuid?.() || (mode & 0o077) !== 0)
    throw new Fault("config", `${path} is open to others`, `own it, and: chmod 600 ${path}`);
  return content;
}

function secretIn(path: string): Uint8Array {
  const content = privateFile(path, MAX_SECRET_BYTES);
  const end = content.at(-1) === 0x0a ? content.length - 1 : content.length;
  if (end >= MIN_SECRET_BYTES) return content.subarray(0, end);
  throw new Fault(
    "config",
    `${path} is shorter than ${MIN_SECRET_BYTES} bytes`,
    `head -c 32 /dev/urandom | base64 > ${path}`,
  );
}

/** No shell: what an alert says is data on the standard input, and never part of a command line. */
function commandSink([program = "", ...args]: readonly string[]): Sink {
  return {
    name: "command",
    deliver: (alert) => run(program, args, `${JSON.stringify(alert)}\n`),
  };
}

function desktopSink(): Sink {
  return {
    name: "desktop",
    deliver: (alert) => {
      const urgency = { low: "low", medium: "normal", high: "critical", critical: "critical" };
      const text = printable(lineOf(alert))
        .replaceAll("&", "&amp;")
        .replaceAll("<", "&lt;")
        .replaceAll(">", "&gt;");
      const flags = ["--app-name=sesame", `--urgency=${urgency[alert.severity]}`, "--"];
      return run("notify-send", [...flags, "Sesame", text], "");
    },
  };
}

function webhookSink(url: string, secret: Uint8Array): Sink {
  return {
    name: "webhook",
    deliver: async (alert) => {
      const body = JSON.stringify(alert);
      const seconds = Math.floor(Date.now() / 1_000);
      const { ok, status } = await fetch(url, {
        method: "POST",
        body,
        headers: {
          "content-type": "application/json",
          "sesame-signature": signatureOf(suite, secret, seconds, body),
        },
        redirect: "error",
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      if (!ok) throw new Error(`the receiver answered ${status}`);
    },
  };
}

async function run(program: string, args: readonly string[], input: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const child = spawn(program, args, {
    stdio: ["pipe", "ignore", "ignore"],
    timeout: TIMEOUT_MS,
    killSignal: "SIGKILL",
  });
  child.on("error", reject);
  child.on("close", (code, signal) => {
    if (code === 0) resolve();
    else reject(new Error(`it ended with ${signal ?? `exit code ${code}`}`));
  });
  // A program that does not read its input is no error.
  child.stdin.on("error", () => undefined);
  child.stdin.end(input);
  await promise;
}
