import { nodeSuite as suite } from "@sesame/core-crypto/node";
import { openBus, type BusClient } from "@sesame/core-ipc/client";
import {
  certificateStatement,
  requireInstallation,
  sealCertificate,
  tokenSeed,
  type Admission,
  type Rotation,
} from "@sesame/core-ipc/daemon";
import type { Home } from "./home.ts";

/** Somebody with keys of its own that are in no file. */
export class Applicant {
  readonly noise = suite.generateX25519();
  readonly seed: Uint8Array = suite.randomBytes(32);
  readonly sealingKey: Uint8Array = suite.generateX25519().publicKey;
  readonly signingKey: Uint8Array = suite.ed25519PublicKey(this.seed);
  readonly name: string;
  readonly #home: Home;

  constructor(home: Home, name: string) {
    this.#home = home;
    this.name = name;
  }

  connect(): Promise<BusClient> {
    return openBus({ suite, keys: { noise: this.noise }, paths: this.#home.paths });
  }

  /** Signed by a token, given as text, and by its own key. */
  admission(token: string, changes: Partial<Admission> = {}): Uint8Array {
    const tokenSecret = tokenSeed(suite, Buffer.from(token));
    if (tokenSecret === null) throw new Error("that is no token");
    const body: Admission = {
      installation: requireInstallation(suite, this.#home.paths).id,
      token: suite.ed25519PublicKey(tokenSecret),
      name: this.name,
      kind: "ai",
      clearance: "internal",
      wants: "",
      ...this.#keys,
      ...changes,
    };
    const statement = certificateStatement({ form: "admission", body });
    return sealCertificate(statement, [
      suite.ed25519Sign(tokenSecret, statement),
      suite.ed25519Sign(this.seed, statement),
    ]);
  }

  /** From the keys of another one to these. */
  rotation(from: Applicant, changes: Partial<Rotation> = {}): Uint8Array {
    const madeMs = Date.now();
    const body: Rotation = {
      installation: requireInstallation(suite, this.#home.paths).id,
      present: from.signingKey,
      madeMs,
      untilMs: madeMs + 60_000,
      ...this.#keys,
      ...changes,
    };
    const statement = certificateStatement({ form: "rotation", body });
    return sealCertificate(statement, [
      suite.ed25519Sign(from.seed, statement),
      suite.ed25519Sign(this.seed, statement),
    ]);
  }

  /** Shows a certificate; "registered", or the code of the refusal. */
  async show(certificate: Uint8Array, line?: BusClient): Promise<string> {
    const bus = line ?? (await this.connect());
    try {
      return (await bus.call("agent.certify", { certificate })).state;
    } catch (cause) {
      if (cause instanceof Error && "code" in cause) return String(cause.code);
      throw cause;
    } finally {
      await bus.close();
    }
  }

  get #keys(): Pick<Admission, "noiseKey" | "sealingKey" | "signingKey"> {
    const { sealingKey, signingKey } = this;
    return { noiseKey: this.noise.publicKey, sealingKey, signingKey };
  }
}
