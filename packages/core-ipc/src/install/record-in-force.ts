import { statSync } from "node:fs";
import { dirname, join } from "node:path";
import { equalBytes, type Suite } from "@sesame/core-crypto";
import {
  BUS_HOST,
  Denial,
  Fault,
  limits,
  type Certificates,
  type Certified,
  type Identity,
} from "@sesame/core-types";
import { requireInstallation } from "../io/open-bus.ts";
import { loadCertificates, saveCertificates } from "./certificate-file.ts";
import {
  folded,
  holderIn,
  rotationsOf,
  verified,
  withCertificate,
  type CertificateReason,
  type Verified,
} from "./certified.ts";
import { identityOf, loadInstallation, type Installation } from "./installation.ts";
import { contradiction, CONTRADICTIONS, loadMark, markOf, saveMark } from "./record-mark.ts";

export type RecordOptions = {
  readonly suite: Suite;
  /** The signed record. */
  readonly path: string;
  /** Where this daemon marks how far it has come; in a directory of its own. */
  readonly mark: string;
  /** Name of the daemon's identity. */
  readonly own: string;
  /** The daemon's keys; without them it goes on with the keys that it had at its start. */
  readonly keyring?: Keyring;
};

/** What keeps the keys that a record names as the daemon's own. */
export type Keyring = {
  /** True if it has the keys of this identity. */
  readonly holds: (own: Identity) => boolean;
  /** Goes by these keys. */
  readonly adopt: (own: Identity) => void;
};

/** What an owner makes of a certificate. */
export type Verdict =
  /** It is in force, or another one that gave the same keys to the same identity. */
  | { readonly is: "known"; readonly certified: Certified }
  | {
      readonly is: "refused";
      readonly reason: CertificateReason;
      /** Null if it was not signed by the keys that it names. */
      readonly one: Verified | null;
    }
  /** It may be accepted. */
  | { readonly is: "good"; readonly one: Verified };

/**
 * The installation record that a daemon goes by, with the certificates that it has accepted since
 * the record was signed. The record only moves forward, also across restarts.
 */
export class RecordInForce {
  readonly #options: RecordOptions;
  readonly #certificates: string;
  /** As it was signed. */
  #record: Installation;
  /** With what certificates have changed. */
  #installation: Installation;
  /** State of the file when it was last looked at, for the daemon's own keys. */
  #seen = "";
  /** The same, for those of others. */
  #seenForOthers = "";
  #certified: readonly Verified[];

  /**
   * Reads the record when a daemon starts.
   *
   * @throws {Fault} config if there is none; integrity if it does not verify, is older than one that
   *   was in force, or another installation's, or if the mark or the certificates are damaged; as
   *   the keyring
   */
  constructor(options: RecordOptions) {
    this.#options = options;
    const { suite, path } = options;
    const found = requireInstallation(suite, { installation: path });
    const mark = loadMark(options.mark);
    const refusal = mark === null ? null : contradiction(mark, found);
    if (refusal !== null)
      throw new Fault(
        "integrity",
        `${path} is not taken over: ${CONTRADICTIONS[refusal]}`,
        refusal === "older"
          ? "restore the latest one, or make this one the latest: `sesame record renew`"
          : `restore the right one; after setting up anew, remove ${options.mark}`,
      );
    options.keyring?.adopt(identityOf(found, options.own));
    this.#certificates = join(dirname(options.mark), "certificates.state");
    const kept = loadCertificates(suite, this.#certificates);
    const { installation, borne } = folded(found, kept);
    if (borne.length < kept.length) {
      saveCertificates(suite, this.#certificates, found.serial, borne);
    }
    if (mark === null || mark.serial < found.serial) saveMark(options.mark, markOf(found));
    this.#record = found;
    this.#installation = installation;
    this.#certified = borne;
  }

  get installation(): Installation {
    return this.#installation;
  }

  /** Those in force, in the order in which they were accepted. */
  get certificates(): Certificates {
    const { serial } = this.#record;
    return { serial, certificates: this.#certified.map(({ certified }) => certified) };
  }

  /** The daemon's own identity. */
  get own(): Identity {
    return identityOf(this.#installation, this.#options.own);
  }

  /**
   * The keys that this daemon expects of the others: of the record in force, or of a later one that
   * nobody has told of.
   */
  pinned(): { readonly busKey: Uint8Array; readonly identities: readonly Identity[] } {
    const installation = this.#later();
    const { identities } = installation;
    return { busKey: identityOf(installation, BUS_HOST).noiseKey, identities };
  }

  /** The record in the file if it would be taken over, else the one in force. */
  #later(): Installation {
    try {
      return this.reread();
    } catch (cause) {
      if (cause instanceof Denial) return this.#installation;
      throw cause;
    }
  }

  /**
   * Reads the record again. It is not in force yet.
   *
   * @throws {Denial} record-refused, unless it is a later state of the same installation, or the
   *   present one
   */
  reread(): Installation {
    const found = this.#read();
    const refusal = contradiction(markOf(this.#installation), found);
    if (refusal !== null) throw new Denial("record-refused", CONTRADICTIONS[refusal]);
    const { name, noiseKey } = this.own;
    const after = found.identities.find((identity) => identity.name === name);
    const own =
      after?.state === "active" &&
      (equalBytes(after.noiseKey, noiseKey) || this.#options.keyring?.holds(after) === true);
    if (!own) throw new Denial("record-refused", `${name} is not in it with its key`);
    return found;
  }

  /** What a record would be with the certificates in force. */
  withCertificates(found: Installation): Installation {
    return folded(found, this.#certified).installation;
  }

  /**
   * The daemon's identity in a later record that nobody has told of: whoever signed it may have
   * been cut short. The record is not in force. Looks into the file only if it has changed.
   */
  news(): Identity | null {
    const seen = stateOf(this.#options.path);
    if (seen === this.#seen) return null;
    this.#seen = seen;
    try {
      return identityOf(this.reread(), this.own.name);
    } catch (cause) {
      if (cause instanceof Denial || cause instanceof Fault) return null;
      throw cause;
    }
  }

  /**
   * The later record that nobody has told of, if this is the present key of another daemon in it:
   * that daemon has read it. Looks into the file only if it has changed.
   */
  unheardOf(noiseKey: Uint8Array): Installation | null {
    const seen = stateOf(this.#options.path);
    if (seen === this.#seenForOthers) return null;
    const later = this.#later();
    const isNamed = later.identities.some(
      ({ kind, noiseKey: known }) => kind === "daemon" && equalBytes(known, noiseKey),
    );
    // What could not be put in force is looked at again, for who has the daemon's key.
    if (!isNamed) this.#seenForOthers = seen;
    return isNamed && later.serial > this.#record.serial ? later : null;
  }

  /**
   * Puts a record in force, once its mark is on disk. Certificates that it does not bear are void
   * from then on.
   *
   * @returns false if a later one is in force by now
   * @throws {Denial} storage-failed; the old one stays in force
   */
  adopt(found: Installation): boolean {
    if (found.serial < this.#installation.serial) return false;
    const { installation, borne } = folded(found, this.#certified);
    stored("mark of the record", () => {
      if (borne.length < this.#certified.length) this.#save(borne, found);
      saveMark(this.#options.mark, markOf(found));
    });
    this.#options.keyring?.adopt(identityOf(found, this.#options.own));
    this.#record = found;
    this.#installation = installation;
    this.#certified = borne;
    return true;
  }

  /**
   * Judges a certificate as of now; nothing is changed.
   *
   * @param wallMs - wall clock; one that was set back prolongs nothing
   * @param isBlocked - true of an identity that gets nothing, so no new keys either
   */
  judge(
    certificate: Uint8Array,
    wallMs: number,
    isBlocked: (identity: Identity) => boolean = () => false,
  ): Verdict {
    const latestMs = this.#certified.at(-1)?.certified.acceptedMs ?? 0;
    const one = verified(this.#options.suite, {
      certificate,
      acceptedMs: Math.max(latestMs, wallMs),
    });
    if (one === null) return { is: "refused", reason: "malformed", one };
    const before = this.#certified.find((known) => isSameChange(known, one));
    if (before !== undefined && this.#holds(before))
      return { is: "known", certified: before.certified };
    const isFull = this.#certified.length >= limits.MAX_CERTIFICATES;
    const holder = holderIn(this.#installation, one);
    if (holder !== null && isBlocked(holder)) return { is: "refused", reason: "blocked", one };
    if (holder !== null && rotationsOf(holder, this.#certified) >= limits.MAX_ROTATIONS)
      return { is: "refused", reason: "too-often", one };
    const next = isFull ? "full" : withCertificate(this.#installation, one);
    return typeof next === "string" ? { is: "refused", reason: next, one } : { is: "good", one };
  }

  /**
   * Puts a certificate in force, once it is on disk.
   *
   * @returns false if the record does not bear it
   * @throws {Denial} storage-failed; nothing has changed
   */
  accept(one: Verified): boolean {
    if (this.#certified.some((known) => isSameChange(known, one) && this.#holds(known)))
      return true;
    const next = withCertificate(this.#installation, one);
    if (typeof next === "string") return false;
    const certified = [...this.#certified, one];
    stored("certificates", () => this.#save(certified, this.#record));
    this.#installation = next;
    this.#certified = certified;
    return true;
  }

  /**
   * Goes by the certificates that the first owner goes by, as far as the record bears them. Beside a
   * record that this owner has not read yet there may be fewer: it holds what they said.
   *
   * @returns false if they are in force already
   * @throws {Denial} storage-failed; nothing has changed
   */
  follow({ serial, certificates }: Certificates): boolean {
    const { suite } = this.#options;
    const known = new Map(this.#certified.map((one) => [keyOf(one.certified), one]));
    const given = certificates.flatMap((certified) => {
      const one = known.get(keyOf(certified)) ?? verified(suite, certified);
      return one === null ? [] : [one];
    });
    const isAhead = serial > this.#record.serial;
    const all = isAhead ? [...new Set([...this.#certified, ...given])] : given;
    const { installation, borne } = folded(this.#record, all);
    const isSame =
      borne.length === this.#certified.length &&
      borne.every((one, i) => one === this.#certified[i]);
    if (isSame) return false;
    stored("certificates", () => this.#save(borne, this.#record));
    this.#installation = installation;
    this.#certified = borne;
    return true;
  }

  #save(certified: readonly Verified[], { serial }: Installation): void {
    saveCertificates(this.#options.suite, this.#certificates, serial, certified);
  }

  /** True while the keys that a certificate gave are somebody's present ones. */
  #holds({ certificate: { body } }: Verified): boolean {
    return this.#installation.identities.some(
      ({ noiseKey, signingKey, state }) =>
        state === "active" &&
        equalBytes(noiseKey, body.noiseKey) &&
        equalBytes(signingKey, body.signingKey),
    );
  }

  #read(): Installation {
    const { suite, path } = this.#options;
    try {
      const found = loadInstallation(suite, path);
      if (found !== null) return found;
    } catch (cause) {
      if (!(cause instanceof Fault)) throw cause;
      const isForeign = cause.exit === "config";
      const why = isForeign ? "another release wrote it" : "it is damaged or was changed";
      throw new Denial("record-refused", why);
    }
    throw new Denial("record-refused", "there is none");
  }
}

/** Tells whether a file is the one that was looked at before. */
function stateOf(path: string): string {
  const { ino, size, mtimeNs } = statSync(path, { bigint: true, throwIfNoEntry: false }) ?? {};
  return `${ino} ${size} ${mtimeNs}`;
}

/** True of the same admission, and of rotations from the same keys to the same keys. */
function isSameChange({ certificate: one }: Verified, { certificate: other }: Verified): boolean {
  const isSameKey =
    equalBytes(one.body.noiseKey, other.body.noiseKey) &&
    equalBytes(one.body.signingKey, other.body.signingKey) &&
    equalBytes(one.body.sealingKey, other.body.sealingKey);
  if (one.form === "admission" && other.form === "admission")
    return isSameKey && equalBytes(one.body.token, other.body.token);
  if (one.form === "rotation" && other.form === "rotation")
    return isSameKey && equalBytes(one.body.present, other.body.present);
  return false;
}

function keyOf({ certificate, acceptedMs }: Certified): string {
  return `${acceptedMs} ${Buffer.from(certificate).toString("latin1")}`;
}

/** @throws {Denial} storage-failed */
function stored(what: string, write: () => void): void {
  try {
    write();
  } catch (cause) {
    if (cause instanceof Fault) throw new Denial("storage-failed", what);
    throw cause;
  }
}
