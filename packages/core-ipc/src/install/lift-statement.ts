// docs/PROTOCOL.md, Panic.

const LIFT = new TextEncoder().encode("sesame panic lift v1\n");

/** What ends a panic once the root key has signed it. */
export type Lift = {
  /** Id of the installation, 16 bytes. */
  readonly installation: Uint8Array;
  /** Bus session on which it is asked for, 16 bytes. */
  readonly session: Uint8Array;
  /** Of the owner of the vaults for this panic and this session, 32 bytes. */
  readonly challenge: Uint8Array;
};

/** The bytes that the root key signs. */
export function liftStatement({ installation, session, challenge }: Lift): Uint8Array {
  return Buffer.concat([LIFT, installation, session, challenge]);
}
