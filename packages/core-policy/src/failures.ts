/** Why a policy is not taken; the codes are stable. docs/POLICY.md, Failures. */
export const POLICY_FAILURES = {
  "policy-malformed": "the file is no signed policy in its one form",
  "policy-invalid": "a value in it is not allowed",
  "policy-unheld": "a rule in it would hold back nothing",
  "policy-type": "it is signed as something else than a policy",
  "policy-untrusted": "no key that may sign policies has signed it",
  "policy-foreign": "it is for another installation",
  "policy-older": "its version is not higher than that of the policy in force",
  "policy-stale": "it was signed more than 24 hours ago",
  "policy-future": "it was signed more than 300 seconds from now",
} as const;

export type PolicyFailure = keyof typeof POLICY_FAILURES;

/** A policy is not taken; what was in force stays. The message shows at most a rule's name. */
export class PolicyError extends Error {
  override readonly name = "PolicyError";
  readonly code: PolicyFailure;

  constructor(code: PolicyFailure, detail: string = POLICY_FAILURES[code]) {
    super(detail);
    this.code = code;
  }
}
