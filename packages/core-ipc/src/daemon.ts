export { BusLink, type BusLinkOptions } from "./io/bus-link.ts";
export {
  runDaemon,
  type DaemonContext,
  type DaemonSpec,
  type RunningDaemon,
} from "./io/run-daemon.ts";
export { jsonLog } from "./io/log.ts";
export {
  createFile,
  errorCode,
  fileFault,
  privateDirectory,
  readBounded,
  replaceFile,
  replaceOffered,
  rootsOwn,
} from "./io/files.ts";
export { PanicMark } from "./io/panic-mark.ts";
export { openForeignKey } from "./install/foreign-key.ts";
export { agentFingerprint } from "./ssh-agent/messages.ts";
export { signWith } from "./io/signer.ts";
export { agentKeys, type AgentKey } from "./io/ssh-agent.ts";
export { requireInstallation } from "./io/open-bus.ts";
export {
  daemonLock,
  pathsFrom,
  recordFolder,
  SERVES,
  socketFolder,
  suiteFolder,
  type Paths,
} from "./install/paths.ts";
export {
  loadSuite,
  suiteFile,
  suiteText,
  SYSTEM_FOLDER,
  type DaemonKeys,
  type SystemSuite,
} from "./install/system-suite.ts";
export {
  createImportedKeyFile,
  createKeyFile,
  createSignerKeyFile,
  loadKeyFile,
  openKeyFile,
  protectionOf,
  publicKeysIn,
  rewriteKeyFile,
  setAsideIfDamaged,
  type HeldKeys,
  type IdentityKeys,
} from "./install/key-file.ts";
export { grantTrust } from "./install/grant-trust.ts";
export {
  idBytes,
  identityOf,
  loadInstallation,
  logOwnerOf,
  saveInstallation,
  withLogKeys,
  type Installation,
} from "./install/installation.ts";
export {
  addKeys,
  eraseKeys,
  keyDirectory,
  keyFileOf,
  keyFilesIn,
  keysIn,
  moveIntoDirectory,
} from "./install/key-directory.ts";
export { declaredBy } from "./install/declared.ts";
export { openOwn, OwnKeys, type OwnOptions } from "./install/own-keys.ts";
export {
  admittedId,
  certificateStatement,
  sealCertificate,
  type Admission,
  type Certificate,
  type Rotation,
} from "./install/certificate.ts";
export {
  certificateSubject,
  declared,
  folded,
  verified,
  withCertificate,
  type Verified,
} from "./install/certified.ts";
export {
  isNamePattern,
  namesFit,
  TOKEN_TEXT_BYTES,
  tokenId,
  tokenSeed,
  tokenText,
  type Token,
} from "./install/token.ts";
export {
  RecordInForce,
  type Keyring,
  type RecordOptions,
  type Verdict,
} from "./install/record-in-force.ts";
export {
  admitted,
  changesOf,
  haveOtherKeys,
  inState,
  ofKey,
  ofName,
  rotated,
  steadfast,
  subjectIn,
  without,
  type Identities,
  type Members,
  mayWait,
  replacedBy,
} from "./install/membership.ts";
export {
  enrolmentProof,
  fingerprintOf,
  fingerprintWords,
  type Applicant,
} from "./install/enrolment.ts";
export { SealedOwner } from "./seal/sealed-owner.ts";
export { measurePosture } from "./io/posture.ts";
export { BOOT_FILES, bootClock, bootId } from "./io/boot-clock.ts";
export { GrantKeeper, type GrantKeeperOptions } from "./io/grant-keeper.ts";
export { PolicyKeeper, type NextPolicy, type PolicyKeeperOptions } from "./io/policy-keeper.ts";
export { liftStatement, type Lift } from "./install/lift-statement.ts";
