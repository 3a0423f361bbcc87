import { SEVERITIES, type Severity } from "@sesame/core-audit";
import {
  expectMembers,
  Fault,
  JsonError,
  MESSAGES,
  readJson,
  type JsonValue,
} from "@sesame/core-types";

/** Where alerts go, and which. docs/SIGNALS.md, Alerts. */
export type AlertConfig = {
  readonly least: Severity;
  /** Actions of the log that are told whatever the rules say. */
  readonly actions: readonly string[];
  /** Program and arguments; it gets the alert on its standard input. */
  readonly command: readonly string[] | null;
  readonly webhook: { readonly url: string; readonly secretFile: string } | null;
  readonly desktop: boolean;
};

export const MAX_CONFIG_BYTES = 16_384;
const MAX_WORDS = 64;
const MAX_WORD = 1_024;

/**
 * Reads a configuration: all of it has to be known.
 *
 * @throws {Fault} config
 */
export function readAlertConfig(bytes: Uint8Array, path: string): AlertConfig {
  try {
    return configOf(readJson(bytes, MAX_CONFIG_BYTES));
  } catch (cause) {
    if (!(cause instanceof JsonError)) throw cause;
    throw new Fault(
      "config",
      `${path}: ${cause.message}`,
      "docs/SIGNALS.md, Alerts, has an example",
    );
  }
}

function configOf(json: JsonValue): AlertConfig {
  const given = expectMembers(json, [], ["least", "actions", "command", "webhook", "desktop"]);
  const { least = "medium", actions = [], command = null, webhook = null, desktop = false } = given;
  const severity = SEVERITIES.find((word) => word === least);
  if (severity === undefined) throw new JsonError(`"least" is none of ${SEVERITIES.join(", ")}`, 0);
  const named = words(actions, "actions");
  if (!named.every((action) => Object.hasOwn(MESSAGES, action)))
    throw new JsonError('"actions" names a kind that there is not', 0);
  if (typeof desktop !== "boolean") throw new JsonError('"desktop" is neither true nor false', 0);
  const config = {
    least: severity,
    actions: named,
    command: command === null ? null : commandOf(command),
    webhook: webhook === null ? null : webhookOf(webhook),
    desktop,
  };
  if (config.command === null && config.webhook === null && !desktop)
    throw new JsonError("it names no place for alerts: command, webhook or desktop", 0);
  return config;
}

function words(value: JsonValue, name: string): string[] {
  const bad = new JsonError(`"${name}" is no list of up to ${MAX_WORDS} words`, 0);
  if (!Array.isArray(value) || value.length > MAX_WORDS) throw bad;
  return value.map((word: JsonValue) => {
    if (typeof word !== "string" || word.length > MAX_WORD || word.includes("\0")) throw bad;
    return word;
  });
}

function commandOf(value: JsonValue): string[] {
  const command = words(value, "command");
  if (command[0]?.startsWith("/") !== true)
    throw new JsonError('"command" does not begin with an absolute path', 0);
  return command;
}

/** Alerts say who does what here: they leave the machine encrypted, or not at all. */
function webhookOf(value: JsonValue): { readonly url: string; readonly secretFile: string } {
  const { url, secretFile } = expectMembers(value, ["url", "secretFile"]);
  if (typeof secretFile !== "string" || !secretFile.startsWith("/"))
    throw new JsonError('"secretFile" is no absolute path', 0);
  const parsed = typeof url === "string" && URL.canParse(url) ? new URL(url) : null;
  const local = ["127.0.0.1", "[::1]", "localhost"].includes(parsed?.hostname ?? "");
  const safe = parsed?.protocol === "https:" || (parsed?.protocol === "http:" && local);
  if (parsed === null || !safe || parsed.username !== "" || parsed.password !== "")
    throw new JsonError('"url" is no https: address, nor http: on this machine', 0);
  return { url: parsed.href, secretFile };
}
