export { GRANT_OWNERS, ownersOf, type GrantOwner } from "./io/grant-owners.ts";
export { holdGrants, type HoldOptions } from "./io/hold-grants.ts";
