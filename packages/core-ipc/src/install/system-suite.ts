import { lstatSync } from "node:fs";
import { join } from "node:path";
import { Fault, toHex, type Identity } from "@sesame/core-types";
import { readBounded, rootsOwn } from "../io/files.ts";
import { fields, keyOf, lines } from "./record.ts";

// The suite that the system runs for a user, under a user of its own: what root says of it, in a
// file that everybody may read. docs/OPERATIONS.md, System mode.

/** Name and public keys of a daemon. */
export type DaemonKeys = Pick<Identity, "name" | "noiseKey" | "sealingKey" | "signingKey">;

export type SystemSuite = {
  /** Uid of whom it serves. */
  readonly user: number;
  /** Uid as which it runs. */
  readonly suite: number;
  /** Home directory of whom it serves: with another one, the user is on their own. */
  readonly home: string;
  readonly daemons: readonly DaemonKeys[];
};

/** Where root's files about suites lie. */
export const SYSTEM_FOLDER = "/etc/sesame";

const VERSION = 1;
const SEPARATOR = "\n[[daemon]]\n";
const MAX_BYTES = 65_536;

export function suiteFile(user: number, folder: string = SYSTEM_FOLDER): string {
  return join(folder, `${user}.toml`);
}

export function suiteText({ user, suite, home, daemons }: SystemSuite): string {
  const head = lines({ version: VERSION, user, suite, home });
  return [head, ...daemons.map(daemonText)].join(SEPARATOR);
}

/**
 * Reads what root says.
 *
 * @returns null if the system runs no suite for that user
 * @throws {Fault} config, if others than root could have said it; integrity
 */
export function loadSuite(user: number, folder: string = SYSTEM_FOLDER): SystemSuite | null {
  const path = suiteFile(user, folder);
  if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return null;
  rootsOwn(folder, path);
  const found = parse(readBounded(path, MAX_BYTES)?.toString("utf8") ?? "");
  if (found?.user === user) return found;
  throw new Fault("integrity", `${path} is damaged`, "run `sesame daemon install --system` again");
}

/** Only what suiteText writes is read. */
function parse(text: string): SystemSuite | null {
  const [head = "", ...blocks] = text.split(SEPARATOR);
  const { user, suite, home } = fields(head);
  const daemons = blocks.map((block) => daemonIn(fields(block)));
  if (!isUid(user) || !isUid(suite) || typeof home !== "string") return null;
  if (!daemons.every((daemon) => daemon !== null)) return null;
  const found = { user, suite, home, daemons };
  return suiteText(found) === text ? found : null;
}

function daemonText({ name, noiseKey, sealingKey, signingKey }: DaemonKeys): string {
  return lines({
    name,
    noise_key: toHex(noiseKey),
    sealing_key: toHex(sealingKey),
    signing_key: toHex(signingKey),
  });
}

function daemonIn(entry: Readonly<Record<string, unknown>>): DaemonKeys | null {
  const { name } = entry;
  const [noiseKey, sealingKey, signingKey] = ["noise_key", "sealing_key", "signing_key"].map(
    (field) => keyOf(entry[field]),
  );
  if (typeof name !== "string" || !noiseKey || !sealingKey || !signingKey) return null;
  return { name, noiseKey, sealingKey, signingKey };
}

function isUid(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value < 2 ** 32 - 1;
}
