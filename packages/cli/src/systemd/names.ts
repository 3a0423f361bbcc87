/** Unit files of a user's installation; packages/cli/src/systemd/units.ts says what is in them. */
export const TARGET = "sesame-headless.target";
export const BUS_SOCKET = "sesame-profile.socket";
export const BUS_SERVICE = "sesame-profile.service";
export const VAULT_SERVICE = "sesame-secrets.service";
/** Only where the user runs the daemons. */
export const LAUNCHER_SERVICE = "sesame-launcher.service";
/** Only where the user runs the daemons: sends alerts, where there is a configuration for them. */
export const ALERTS_SERVICE = "sesame-alerts.service";
/** Only where the system runs the daemons. */
export const RECORD_PATH = "sesame-record.path";

/** Name of the user and group that the daemons have which the system runs for a user. */
export function suiteUser(user: number | "%i"): string {
  return `sesame-${user}`;
}

/** The instance of a unit for a user. */
export function instanceOf(unit: string, user: number): string {
  return unit.replace(".", `@${user}.`);
}
