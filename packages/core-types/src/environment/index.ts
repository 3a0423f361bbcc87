// What environment variables secrets become: for whoever starts a program with them. Apart from the
// rest of the package, since few programs need it and all of it is built at start.
export { denyText, isDenied, type DenyReason } from "./denylist.ts";
export { variableName, variableNames } from "./names.ts";
export { MAX_ENTRY_BYTES, variableValue } from "./value.ts";
