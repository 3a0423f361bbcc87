import type { Suite } from "@sesame/core-crypto";
import { certificatesSchema, decode, encode, Fault, Violation } from "@sesame/core-types";
import { checked, checkedRest } from "../io/checked.ts";
import { readBounded, replaceFile } from "../io/files.ts";
import { verified, type Verified } from "./certified.ts";

// The certificates that an owner has accepted since the record was signed, as the list travels.
// docs/ENROLMENT.md, Certificates.

const FORM = new TextEncoder().encode("sesame certificates v1\n");
const MAX_BYTES = 16 * 1024 * 1024;

/**
 * @throws {Fault} integrity, if the file is not one of ours: it is not taken for a missing one
 */
export function loadCertificates(suite: Suite, path: string): readonly Verified[] {
  const file = readBounded(path, MAX_BYTES);
  if (file === null) return [];
  const given = parse(suite, Uint8Array.from(file));
  if (given !== null) return given;
  throw new Fault(
    "integrity",
    `${path} is damaged, so nobody knows who came in since the record was signed`,
    "restore it from a backup; or remove it: then the record alone counts, as docs/ENROLMENT.md says",
  );
}

/** @throws {Fault} if it cannot be made durable; the old one is still there */
export function saveCertificates(
  suite: Suite,
  path: string,
  serial: number,
  given: readonly Verified[],
): void {
  const certificates = given.map(({ certified }) => certified);
  const list = encode(certificatesSchema, { serial, certificates });
  replaceFile(path, checked(suite, FORM, list));
}

function parse(suite: Suite, file: Uint8Array): readonly Verified[] | null {
  const list = checkedRest(suite, FORM, file);
  if (list === null) return null;
  try {
    const { certificates } = decode(certificatesSchema, list);
    const found = certificates.map((certified) => verified(suite, certified));
    return found.every((one) => one !== null) ? found : null;
  } catch (cause) {
    if (cause instanceof Violation) return null;
    throw cause;
  }
}
