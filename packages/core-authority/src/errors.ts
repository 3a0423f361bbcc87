/** Why a scope, a grant or a ledger's state is none. */
export type AuthorityErrorCode =
  | "capability-invalid"
  | "pattern-invalid"
  | "depth-invalid"
  | "scope-too-large"
  | "grant-invalid"
  | "state-invalid";

/** What was given does not follow docs/AUTHORITY.md. The message shows no secret. */
export class AuthorityError extends Error {
  override readonly name = "AuthorityError";
  readonly code: AuthorityErrorCode;

  constructor(code: AuthorityErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
