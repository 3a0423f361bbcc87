import { Denial, Fault, isProfileName } from "@sesame/core-types";
import { readBounded, replaceFile } from "@sesame/core-ipc/daemon";
import { NO_PROFILES, type Profile, type Profiles } from "../profile/profiles.ts";

const VERSION = 1;
const MAX_BYTES = 256 * 1024;

/**
 * Reads the profiles; there are none before the first was made.
 *
 * @throws {Fault} integrity, if the file is not one of ours: it is not replaced by an empty one
 */
export function loadProfiles(path: string): Profiles {
  const file = readBounded(path, MAX_BYTES);
  if (file === null) return NO_PROFILES;
  const state = parse(file.toString("utf8"));
  if (state === null)
    throw new Fault("integrity", `${path} is damaged`, "restore it from a backup, or remove it");
  return state;
}

/** @throws {Denial} storage-failed; the old file is still there */
export function saveProfiles(path: string, state: Profiles): void {
  const text = JSON.stringify({ version: VERSION, ...state }, null, 2);
  try {
    replaceFile(path, new TextEncoder().encode(`${text}\n`));
  } catch (cause) {
    if (cause instanceof Fault) throw new Denial("storage-failed", "list of profiles");
    throw cause;
  }
}

function parse(text: string): Profiles | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (!isRecord(value) || value["version"] !== VERSION) return null;
  const { profiles, default: chosen } = value as { profiles?: unknown; default?: unknown };
  if (!Array.isArray(profiles) || !profiles.every(isProfile)) return null;
  const names = new Set(profiles.map(({ name }) => name));
  if (names.size !== profiles.length) return null;
  if (chosen !== null && !(typeof chosen === "string" && names.has(chosen))) return null;
  return { profiles: profiles.map(({ name, active }) => ({ name, active })), default: chosen };
}

function isProfile(value: unknown): value is Profile {
  return (
    isRecord(value) &&
    typeof value["name"] === "string" &&
    isProfileName(value["name"]) &&
    typeof value["active"] === "boolean"
  );
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
