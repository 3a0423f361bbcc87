import { AuthorityError, parseScope, printScope, type Scope } from "@sesame/core-authority";
import { declared } from "@sesame/core-ipc/daemon";
import {
  CAPABILITIES,
  DEFAULT_CAPABILITIES,
  Fault,
  hasCapability,
  type Capability,
  type IdentityKind,
} from "@sesame/core-types";

/** What somebody gets who is let in, and what of its wishes it does not get. */
export type Rights = {
  readonly capabilities: readonly Capability[];
  /** A scope's text; "" if nothing is left over. */
  readonly left: string;
};

/**
 * The scope that an applicant declares, in normal form.
 *
 * @throws {Fault} usage
 */
export function readWants(text: string): Scope {
  try {
    return parseScope(text);
  } catch (cause) {
    if (!(cause instanceof AuthorityError)) throw cause;
    throw new Fault("usage", cause.message, "for example: --want 'secret-list secret-use:ci/*'");
  }
}

/**
 * By enrolment a kind gets no more than its defaults, and of these what it asked for; what it asked
 * for with a pattern, or beyond them, takes a grant or the operator's word.
 *
 * @param given - capabilities that the operator names instead; null if none
 * @param more - the operator means capabilities beyond the kind's defaults
 * @throws {Fault} usage
 */
export function rightsOf(
  kind: IdentityKind,
  wants: string,
  given: string | null,
  more: boolean,
): Rights {
  const scope = readWants(wants);
  const usual = DEFAULT_CAPABILITIES[kind];
  if (given === null && scope.length === 0) return { capabilities: usual, left: "" };
  const capabilities = given === null ? (declared(usual, wants) ?? []) : named(kind, given, more);
  // A capability that it has is not short of one for some names.
  const left = scope.filter(
    ({ capability, depth }) => depth > 0 || !hasCapability(capabilities, capability),
  );
  return { capabilities, left: printScope(left) };
}

function named(kind: IdentityKind, given: string, more: boolean): readonly Capability[] {
  const words = given.split(/[\s,]+/).filter((word) => word !== "");
  const unknown = words.find((word) => !CAPABILITIES.some((known) => known === word));
  if (unknown !== undefined)
    throw new Fault(
      "usage",
      `${unknown} is no capability`,
      `the capabilities are: ${CAPABILITIES.join(", ")}`,
    );
  const capabilities = CAPABILITIES.filter((word) => words.includes(word));
  const beyond = capabilities.filter((word) => !DEFAULT_CAPABILITIES[kind].includes(word));
  if (beyond.length > 0 && !more)
    throw new Fault(
      "usage",
      `${beyond.join(", ")}: more than the kind ${kind} usually gets`,
      "add --more if that is meant; a grant gives rights for a time instead",
    );
  return capabilities;
}
