import { equalBytes } from "@sesame/core-crypto";
import { Fault } from "@sesame/core-types";
import { loadKeyFile, type IdentityKeys } from "./key-file.ts";
import { RecordInForce, type RecordOptions } from "./record-in-force.ts";

export type OwnOptions = RecordOptions & {
  /** The daemon's key file. */
  readonly keys: string;
  /** The daemon, as people are told of it. */
  readonly title: string;
};

/**
 * What a daemon starts from: the record that it goes by, and the keys that the record names as its
 * own.
 *
 * @throws {Fault} as RecordInForce and loadKeyFile; integrity, if the keys are others
 */
export function openOwn(options: OwnOptions): {
  readonly inForce: RecordInForce;
  readonly keys: IdentityKeys;
} {
  const inForce = new RecordInForce(options);
  const keys = loadKeyFile(options.suite, options.keys);
  if (keys !== null && equalBytes(keys.noise.publicKey, inForce.own.noiseKey))
    return { inForce, keys };
  throw new Fault(
    "integrity",
    `${options.title}'s key file does not belong to this installation`,
    "restore the keys directory from a backup",
  );
}
