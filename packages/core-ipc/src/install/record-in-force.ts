import { statSync } from "node:fs";
import { equalBytes, type Suite } from "@sesame/core-crypto";
import { BUS_HOST, Denial, Fault, type Identity } from "@sesame/core-types";
import { requireInstallation } from "../io/open-bus.ts";
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

/** The installation record that a daemon goes by: it only moves forward, also across restarts. */
export class RecordInForce {
  readonly #options: RecordOptions;
  #installation: Installation;
  /** State of the file when it was last looked at. */
  #seen = "";

  /**
   * Reads the record when a daemon starts.
   *
   * @throws {Fault} config if there is none; integrity if it does not verify, is older than one that
   *   was in force, or another installation's, or if the mark is damaged; as the keyring
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
    this.#installation = found;
    options.keyring?.adopt(this.own);
    if (mark === null || mark.serial < found.serial) saveMark(options.mark, markOf(found));
  }

  get installation(): Installation {
    return this.#installation;
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

  /**
   * The daemon's identity in a later record that nobody has told of: whoever signed it may have
   * been cut short. The record is not in force. Looks into the file only if it has changed.
   */
  news(): Identity | null {
    const { path } = this.#options;
    const { ino, size, mtimeNs } = statSync(path, { bigint: true, throwIfNoEntry: false }) ?? {};
    const seen = `${ino} ${size} ${mtimeNs}`;
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
   * Puts a record in force, once its mark is on disk.
   *
   * @returns false if a later one is in force by now
   * @throws {Denial} storage-failed; the old one stays in force
   */
  adopt(found: Installation): boolean {
    if (found.serial < this.#installation.serial) return false;
    try {
      saveMark(this.#options.mark, markOf(found));
    } catch (cause) {
      if (cause instanceof Fault) throw new Denial("storage-failed", "mark of the record");
      throw cause;
    }
    this.#options.keyring?.adopt(identityOf(found, this.#options.own));
    this.#installation = found;
    return true;
  }

  #read(): Installation {
    const { suite, path } = this.#options;
    try {
      const found = loadInstallation(suite, path);
      if (found !== null) return found;
    } catch (cause) {
      if (!(cause instanceof Fault)) throw cause;
      throw new Denial("record-refused", "it is damaged or was changed");
    }
    throw new Denial("record-refused", "there is none");
  }
}
