import type { Suite } from "@sesame/core-crypto";
import {
  decode,
  Denial,
  denialSchema,
  eachSecret,
  encode,
  Fault,
  isDenialCode,
  messageByTag,
  Violation,
  type AuditRecord,
  type Identity,
  type Params,
  type RequestsOf,
  type Result,
  type RoutedHeader,
  subjectOf,
  type Log,
  type Subject,
  type Trust,
} from "@sesame/core-types";
import type { SealContext } from "../seal/context.ts";
import type { OpenedRequest, SealedOwner, SealRefusal } from "../seal/sealed-owner.ts";
import { admit, Refusal, type GateOptions, type Permit, type Request } from "./gate.ts";
import type { Registry } from "./registry.ts";

/** Kinds that the router answers by itself. */
type RouterKind = "bus.subscribe" | "bus.unsubscribe" | "bus.serve";

/** What a handler knows of the call it answers. */
export type Call = {
  /** The registered identity of the caller: proved to the owner if the kind is sealed. */
  readonly identity: Identity | null;
  /** Bus session of the caller, 16 bytes. */
  readonly session: Uint8Array;
  /** The bus's word about the connection: a reason to refuse more, never to refuse less. */
  readonly trust: Trust;
  /** Names what the call is about, for the audit record of its outcome. */
  about: (profile: string | null, object?: string | null) => void;
  /** False for the names of secrets that the caller may not reach by this call. */
  readonly covers: Permit["covers"];
  /** Keeps to grants that fit, as what the call is about may demand. */
  readonly narrow: Permit["narrow"];
  /** The grants that the call has drawn on so far. */
  readonly drawn: Permit["drawn"];
  /**
   * Puts the call on record as done. Resolves once the record is on disk: before that nothing
   * may be released or changed.
   *
   * @param objects - one record for each, instead of one for what `about` named
   * @throws {Denial} audit-unavailable; capability-missing, if a grant has ended meanwhile
   */
  record: (objects?: readonly (string | null)[]) => Promise<void>;
};

/** One function for every request that an identity owns. */
export type Handlers<Owner extends string> = {
  readonly [N in Exclude<RequestsOf<Owner>, RouterKind>]: (
    params: Params<N>,
    call: Call,
  ) => Promise<Result<N>> | Result<N>;
};

type AnyHandler = (params: unknown, call: Call) => unknown;

export type DispatcherOptions<Owner extends string> = {
  readonly handlers: Handlers<Owner>;
  readonly registry: Registry;
  /** What may let a call in beside enrolment, and what may keep one out. */
  readonly gate?: GateOptions;
  /** The owner's end of sealed calls; an owner of none leaves it out. */
  readonly sealed?: SealedOwner;
  /** Resolves once the records are durable. */
  readonly audit: (records: AuditRecord[]) => Promise<void>;
  readonly log: Log;
  /** Names a fault in the reply and in the log. */
  readonly incident: () => string;
  /** Where replies are put together and secrets end; a crypto suite. */
  readonly memory: Pick<Suite, "allocSecret" | "freeSecret">;
};

/** What goes back to the bus. */
export type Answer = { readonly type: "reply" | "denial"; readonly payload: Uint8Array };

type Seal = (body: Uint8Array) => Uint8Array;

/** What is known before the outcome is. */
type Unfinished = Omit<AuditRecord, "outcome">;

// First byte of a sealed reply's body.
const RESULT = 0;
const DENIAL = 1;

/**
 * What an owner answers with: opens sealed calls, finds out who is calling, asks the gate, runs the
 * handler and records the outcome. Everything that an owner answers passes here.
 */
export class Dispatcher<Owner extends string> {
  readonly #options: DispatcherOptions<Owner>;

  constructor(options: DispatcherOptions<Owner>) {
    this.#options = options;
  }

  async answer(header: RoutedHeader, payload: Uint8Array): Promise<Answer> {
    const row = messageByTag(header.tag);
    const handler = row === undefined ? undefined : this.#handler(row.name);
    if (row?.form !== "request" || handler === undefined)
      return denial(new Denial("unknown-kind"), null);
    const opened = this.#open(row, header, payload);
    if (typeof opened === "string") {
      await this.#record(blank(row, header, null), `refused:seal-${opened}`);
      return denial(new Denial(opened === "full" ? "busy" : "seal-invalid"), null);
    }
    const { identity, body, seal } = opened;
    const record = blank(row, header, identity);
    let recorded = row.audit !== "always";
    const { session, trust } = header.sender;
    try {
      const params = once(() => decode(row.params, body));
      const about = (): Subject => {
        const subject = subjectOf(row, params());
        record.profile = subject.profile;
        return subject;
      };
      const permit = await admit(this.#options.gate ?? {}, {
        row,
        identity,
        session,
        trust,
        about,
      });
      // A kind that is not put on record takes effect with its handler.
      if (recorded) await permit.use();
      const call: Call = {
        identity,
        session,
        trust,
        covers: permit.covers,
        narrow: permit.narrow,
        drawn: permit.drawn,
        about: (profile, object = null) => Object.assign(record, { profile, object }),
        record: async (objects = [null]) => {
          const done = { ...record, outcome: outcomeOf(await permit.use()) };
          await this.#append(objects.map((object) => ({ ...done, object: object ?? done.object })));
          recorded = true;
        },
      };
      const result = await handler(params(), call);
      if (!recorded) throw new Fault("fault", `${row.name} was not recorded`, "report this");
      return this.#reply(row, result, seal);
    } catch (cause) {
      const refusal = this.#refusal(cause, row);
      if (row.audit !== "never") await this.#record(record, refusedAs(refusal));
      return this.#deny(refusal, seal);
    } finally {
      // What came in clear may still be in use by whoever recorded it.
      if (seal !== null) this.#options.memory.freeSecret(body);
    }
  }

  #handler(name: string): AnyHandler | undefined {
    const { handlers } = this.#options;
    return Object.hasOwn(handlers, name)
      ? (handlers as unknown as Readonly<Record<string, AnyHandler>>)[name]
      : undefined;
  }

  #open(
    row: Request,
    header: RoutedHeader,
    payload: Uint8Array,
  ): { identity: Identity | null; body: Uint8Array; seal: Seal | null } | string {
    const { registry, sealed } = this.#options;
    if (!row.sealed) {
      const { name } = header.sender;
      const identity = name === null ? null : registry.byName(name);
      return { identity, body: payload, seal: null };
    }
    if (sealed === undefined) return "unsupported";
    const { id, tag } = header;
    const opened = this.#unseal(sealed, { session: header.sender.session, id, tag }, payload);
    if (typeof opened === "string") return opened;
    const identity = registry.byKey(opened.caller);
    return { identity, body: opened.body, seal: opened.sealReply };
  }

  /** Secrets of the result end here: what leaves is sealed. */
  #reply(row: Request, result: unknown, seal: Seal | null): Answer {
    const { allocSecret: alloc, freeSecret } = this.#options.memory;
    try {
      if (seal === null) return { type: "reply", payload: encode(row.result, result) };
      const body = encode(row.result, result, { alloc, headroom: 1 });
      body[0] = RESULT;
      const payload = seal(body);
      freeSecret(body);
      return { type: "reply", payload };
    } finally {
      eachSecret(row.result, result, freeSecret);
    }
  }

  /** What cannot be sealed for want of memory is refused in clear: it must not end the owner. */
  #deny(refusal: Denial, seal: Seal | null): Answer {
    try {
      return denial(refusal, seal);
    } catch (cause) {
      this.#options.log("error", "denial not sealed", { error: String(cause) });
      return denial(new Denial("memory-exhausted"), null);
    }
  }

  #unseal(
    sealed: SealedOwner,
    context: SealContext,
    payload: Uint8Array,
  ): OpenedRequest | SealRefusal {
    try {
      return sealed.open(context, payload);
    } catch (cause) {
      if (isMemoryExhausted(cause)) return "full";
      throw cause;
    }
  }

  #refusal(cause: unknown, row: Request): Denial {
    if (cause instanceof Denial) return cause;
    if (isMemoryExhausted(cause)) return new Denial("memory-exhausted");
    // CODEC-2 is about what the caller sent; a result that does not encode is a fault of ours.
    if (cause instanceof Violation && cause.rule === "CODEC-2")
      return new Denial("params-invalid", cause.rule);
    const incident = this.#options.incident();
    const error = cause instanceof Error ? cause : new Error(String(cause));
    this.#options.log("error", "fault", { incident, kind: row.name, error: error.stack ?? "" });
    return new Denial("fault", incident);
  }

  /** A refusal stands whether or not it can be recorded. */
  async #record(record: Unfinished, outcome: string): Promise<void> {
    try {
      await this.#append([{ ...record, outcome }]);
    } catch {
      this.#options.log("warn", "refusal not recorded", { action: record.action, outcome });
    }
  }

  async #append(records: AuditRecord[]): Promise<void> {
    try {
      await this.#options.audit(records);
    } catch (cause) {
      this.#options.log("error", "audit log not writable", { error: String(cause) });
      throw new Denial(isDamage(cause) ? "audit-damaged" : "audit-unavailable");
    }
  }
}

/** What the log said, or whoever writes it. */
function isDamage(cause: unknown): boolean {
  if (cause instanceof Fault) return cause.exit === "integrity";
  return cause instanceof Denial && cause.code === "audit-damaged";
}

/** Locked memory has a limit, which many or large secrets at once may reach. */
function isMemoryExhausted(cause: unknown): boolean {
  return cause instanceof Error && "code" in cause && cause.code === "ERR_SESAME_LOCKED_MEMORY";
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | null = null;
  return () => (made ??= { value: make() }).value;
}

/** For the audit log: with the first of the grants that the call drew on, if it did. */
function outcomeOf([grant, ...more]: readonly string[]): string {
  if (grant === undefined) return "ok";
  return `ok:grant/${grant}${more.length === 0 ? "" : `+${more.length}`}`;
}

function refusedAs(refusal: Denial): string {
  const reason = refusal instanceof Refusal ? `/${refusal.reason}` : "";
  return `refused:${refusal.code}${reason}`;
}

function blank(row: Request, header: RoutedHeader, identity: Identity | null): Unfinished {
  return {
    action: row.name,
    profile: null,
    object: null,
    session: header.sender.session,
    caller: identity?.name ?? null,
  };
}

/** A denial in clear. */
export function denialAnswer(refusal: Denial): Answer {
  return denial(refusal, null);
}

function denial({ code, detail, retryAfterMs }: Denial, seal: Seal | null): Answer {
  const short = detail.slice(0, 90).toWellFormed();
  const content = { code, detail: short, retryAfterMs };
  if (seal === null) return { type: "denial", payload: encode(denialSchema, content) };
  const body = encode(denialSchema, content, { headroom: 1 });
  body[0] = DENIAL;
  return { type: "reply", payload: seal(body) };
}

/** The denial that a payload of the bus carries. */
export function readDenial(payload: Uint8Array): Denial {
  const { code, detail, retryAfterMs } = decode(denialSchema, payload);
  return new Denial(isDenialCode(code) ? code : "fault", detail, retryAfterMs);
}

/**
 * The body of a sealed reply: an encoded result.
 *
 * @throws {Denial} if the owner refused
 */
export function readSealedBody(body: Uint8Array): Uint8Array {
  if (body[0] === DENIAL) throw readDenial(body.subarray(1));
  return body.subarray(1);
}
