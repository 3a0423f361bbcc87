/** Unit files of a user's installation; packages/cli/src/systemd/units.ts says what is in them. */
export const TARGET = "sesame-headless.target";
export const BUS_SOCKET = "sesame-profile.socket";
export const BUS_SERVICE = "sesame-profile.service";
export const VAULT_SERVICE = "sesame-secrets.service";
export const LAUNCHER_SERVICE = "sesame-launcher.service";
