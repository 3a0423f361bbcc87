import { ALGORITHMS, type Algorithm } from "./hash.ts";

/** Who acted. Field names and order are those of the line. */
export type AuditActor = {
  /** Name that the connection's key proved; null: unregistered. */
  readonly name: string | null;
  readonly identity: string | null;
  /** Bus session, hex. */
  readonly session: string | null;
  readonly pid: number;
  readonly uid: number;
  readonly exe: string | null;
  /** Of the executable's content, 64 hex digits. */
  readonly sha256?: string;
  readonly unit: string | null;
  /** Name of the daemon that recorded it on the caller's behalf. */
  readonly by?: string;
};

/** What a caller records. `object` is at most 1024 bytes by the caller's own check. */
export type AuditEvent = {
  readonly actor: AuditActor | null;
  readonly profile: string | null;
  readonly action: string;
  readonly object: string | null;
  readonly outcome: string;
};

/** What the log says about itself; no caller can write one. docs/AUDIT.md, Control entries. */
export type Control =
  | {
      readonly type: "genesis";
      readonly version: 1;
      readonly algorithm: Algorithm;
      /** 32 hex digits. */
      readonly installation: string;
    }
  | { readonly type: "segment"; readonly number: number }
  | { readonly type: "key"; /** That signs from here on; 64 hex digits. */ readonly key: string }
  | {
      readonly type: "gap";
      readonly bytes: number;
      /** Of the torn bytes, 64 hex digits. */
      readonly hash: string;
      readonly file: string;
    }
  | { readonly type: "checkpoint"; /** 128 hex digits. */ readonly signature: string };

/** One line, as parsed. */
export type AuditEntry = AuditEvent & {
  readonly prev: string;
  readonly seq: number;
  readonly time: number;
  readonly control: Control | null;
  readonly hash: string;
};

export const FORMAT_VERSION = 1;

/** The members that follow `time` and stand before `hash`, in their order. */
export function eventBody(event: AuditEvent): string {
  const { actor, profile, action, object, outcome } = event;
  const ordered = { actor: actor && orderedActor(actor), profile, action, object, outcome };
  return JSON.stringify(ordered).slice(1, -1);
}

/** The same for a control entry: it starts with `control`, where an event has `actor`. */
export function controlBody(control: Control): string {
  const rest = { actor: null, profile: null, object: null, outcome: "ok" };
  const action = `audit.${control.type}`;
  return `"control":${JSON.stringify(orderedControl(control))},${eventBody({ ...rest, action })}`;
}

// A copy, so that neither a caller's order nor a caller's further fields reach the line.
function orderedActor(actor: AuditActor): AuditActor {
  const { name, identity, session, pid, uid, exe, sha256, unit, by } = actor;
  const hashed = sha256 === undefined ? { exe } : { exe, sha256 };
  const known = { name, identity, session, pid, uid, ...hashed, unit };
  return by === undefined ? known : { ...known, by };
}

function orderedControl(control: Control): Control {
  const { type } = control;
  switch (type) {
    case "genesis": {
      const { version, algorithm, installation } = control;
      return { type, version, algorithm, installation };
    }
    case "segment":
      return { type, number: control.number };
    case "key":
      return { type, key: control.key };
    case "gap": {
      const { bytes, hash, file } = control;
      return { type, bytes, hash, file };
    }
    case "checkpoint":
      return { type, signature: control.signature };
  }
}

/** The entry of a line, or null if it is not one. Says nothing about hashes. */
export function parseEntry(line: string): AuditEntry | null {
  const fields = parseObject(line);
  if (fields === null) return null;
  const { prev, seq, time, actor, profile, action, object, outcome, hash } = fields;
  const control = "control" in fields ? parseControl(fields["control"]) : null;
  const whole =
    isHex(prev, 32) &&
    isUint(seq) &&
    isUint(time) &&
    (control !== null || !("control" in fields)) &&
    (actor === null || isActor(actor)) &&
    isTextOrNull(profile) &&
    typeof action === "string" &&
    isTextOrNull(object) &&
    typeof outcome === "string" &&
    isHex(hash, 32);
  if (!whole) return null;
  return { prev, seq, time, control, actor, profile, action, object, outcome, hash };
}

function parseObject(line: string): Readonly<Record<string, unknown>> | null {
  try {
    const parsed: unknown = JSON.parse(line);
    return isRecord(parsed) ? parsed : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

function parseControl(from: unknown): Control | null {
  if (!isRecord(from)) return null;
  const { type, version, algorithm, installation, number, key } = from;
  const { bytes, hash, file, signature } = from;
  switch (type) {
    case "genesis":
      return version === FORMAT_VERSION && isAlgorithm(algorithm) && isHex(installation, 16)
        ? { type, version, algorithm, installation }
        : null;
    case "segment":
      return isUint(number) ? { type, number } : null;
    case "key":
      return isHex(key, 32) ? { type, key } : null;
    case "gap":
      return isUint(bytes) && isHex(hash, 32) && typeof file === "string"
        ? { type, bytes, hash, file }
        : null;
    case "checkpoint":
      return isHex(signature, 64) ? { type, signature } : null;
    default:
      return null;
  }
}

function isActor(given: unknown): given is AuditActor {
  return (
    isRecord(given) &&
    isTextOrNull(given["name"]) &&
    isTextOrNull(given["identity"]) &&
    isTextOrNull(given["session"]) &&
    typeof given["pid"] === "number" &&
    typeof given["uid"] === "number" &&
    isTextOrNull(given["exe"]) &&
    (given["sha256"] === undefined || isHex(given["sha256"], 32)) &&
    isTextOrNull(given["unit"]) &&
    (given["by"] === undefined || typeof given["by"] === "string")
  );
}

function isRecord(given: unknown): given is Readonly<Record<string, unknown>> {
  return typeof given === "object" && given !== null && !Array.isArray(given);
}

function isUint(given: unknown): given is number {
  return Number.isSafeInteger(given) && (given as number) >= 0;
}

function isTextOrNull(given: unknown): given is string | null {
  return given === null || typeof given === "string";
}

function isHex(given: unknown, bytes: number): given is string {
  return typeof given === "string" && given.length === 2 * bytes && /^[0-9a-f]*$/.test(given);
}

function isAlgorithm(given: unknown): given is Algorithm {
  return ALGORITHMS.some((algorithm) => algorithm === given);
}
