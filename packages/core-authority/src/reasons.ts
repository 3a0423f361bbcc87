/**
 * Why a chain, a grant or an operation on a ledger is refused. For the audit log and for whoever
 * may read it; on the wire every one of them is `WIRE_DENIAL`. Words are never reused.
 */
export const REASONS = {
  // The chain by itself.
  "chain-empty": "no grant was shown",
  malformed: "what was shown is no grant",
  "chain-too-long": "the chain has more links than are allowed",
  "chain-cycle": "a grant or an identity occurs twice in the chain",
  "link-broken": "a grant does not continue the one above it",
  "other-installation": "a grant belongs to another installation",
  "identity-unknown": "a grant names an identity that is not enrolled",
  "identity-revoked": "a grant names an identity that is revoked",
  "signature-invalid": "a grant is not signed by its delegator",
  "not-yet-valid": "a grant's date of issue lies ahead of the clock",
  expired: "a grant's time is over",
  "not-delegable": "the delegator holds nothing that may be handed on so far",
  "scope-empty": "nothing of the scope is the delegator's to give",
  "scope-too-large": "the scope that results has no form within the limits",
  // The call.
  "not-delegatee": "the caller is not whom the grant was given to",
  "profile-not-granted": "the grant is not for this profile",
  "capability-not-granted": "the grant does not cover this",
  "point-of-use": "the caller's program is not the one that the grant demands",
  "trust-too-low": "the caller's connection is trusted less than the grant demands",
  "command-not-granted": "the grant does not admit this command",
  // The ledger.
  "not-registered": "the ledger does not know the grant",
  "grant-differs": "another grant is registered under this id",
  replayed: "the grant was registered before and is over, or dates from before the ledger",
  "nonce-reused": "another grant has this nonce",
  "parent-ended": "a grant above ended",
  "heartbeat-missed": "no heartbeat came in time",
  revoked: "it was revoked",
  "used-up": "it was used as often as allowed",
  rebooted: "the machine was started anew",
  "ledger-damaged": "the ledger's state is damaged, so that it takes no grants",
  "ledger-full": "too many grants are held or remembered",
  "not-permitted": "only a delegator above, or an administrator, may do that",
} as const;

export type Reason = keyof typeof REASONS;

/** The one code that callers get to see. DENIALS in core-types. */
export const WIRE_DENIAL = "capability-missing";
