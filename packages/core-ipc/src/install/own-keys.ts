import { Fault } from "@sesame/core-types";
import { keysIn } from "./key-directory.ts";
import type { IdentityKeys } from "./key-file.ts";
import { RecordInForce, type RecordOptions } from "./record-in-force.ts";

export type OwnOptions = RecordOptions & {
  /** The directory of the daemon's keys. */
  readonly keys: string;
  /** The daemon, as people are told of it. */
  readonly title: string;
};

/**
 * What a daemon starts from: the record that it goes by, and the keys that the record names as its
 * own.
 *
 * @throws {Fault} as RecordInForce and keysIn; integrity, if the keys are others
 */
export function openOwn(options: OwnOptions): {
  readonly inForce: RecordInForce;
  readonly keys: IdentityKeys;
} {
  const inForce = new RecordInForce(options);
  const keys = keysIn(options.suite, options.keys, inForce.own.noiseKey);
  if (keys !== null) return { inForce, keys };
  throw new Fault(
    "integrity",
    `${options.title}'s key file does not belong to this installation`,
    "restore the keys directory from a backup; with units of an older release, install them again",
  );
}
