import { recordFolder, SERVES, socketFolder, suiteFolder } from "@sesame/core-ipc/daemon";
import {
  BUS_HOST,
  EXIT_CODES,
  Fault,
  LAUNCHER,
  VAULT_OWNER,
  type ExitClass,
} from "@sesame/core-types";
import { DAEMON_FLAGS, NODE_FLAGS } from "../node-flags.ts";
import {
  ALERTS_SERVICE,
  BUS_SERVICE,
  BUS_SOCKET,
  LAUNCHER_SERVICE,
  RECORD_PATH,
  suiteUser,
  TARGET,
  VAULT_SERVICE,
} from "./names.ts";

// The one table of unit files: what `sesame daemon install` writes, what lies in systemd/ for
// packagers, and what docs/OPERATIONS.md lists. systemd.unit(5), systemd.exec(5)

export type Program = {
  /** Absolute path of the Node binary. */
  readonly node: string;
  /** Absolute path of the folder of bundles. */
  readonly bundles: string;
};

export type UnitFile = { readonly name: string; readonly text: string };

type Directives = readonly (readonly [name: string, value: string])[];
type Sections = Readonly<Record<string, Directives>>;

/** First line of every file: says whose it is. */
export const MARK = "# Made by `sesame daemon install`; `sesame daemon uninstall` removes it.";

/** What stands in systemd/ where an installation has its paths. */
export const PLACEHOLDERS: Program = { node: "@NODE@", bundles: "@BUNDLES@" };

/** What differs between a user's own daemons and those that the system runs for a user. */
export type Mode = {
  /** Name of the file of a unit. */
  readonly file: (name: string) => string;
  /** How a unit of the same installation is named in there. */
  readonly unit: (name: string) => string;
  /** Directory of the daemons' files. */
  readonly config: string;
  /** Options of the file system in place of the directory of keys. */
  readonly keyFolder: string;
  readonly record: string;
  readonly socket: string;
  /** Below the manager's runtime directory. */
  readonly runtime: string;
  readonly wantedBy: string;
  readonly socketAccess: Directives;
  /** As whom the services run, and what such services are refused beyond the others. */
  readonly services: Directives;
  /** What the bus is refused alone. */
  readonly bus: Directives;
  /** Units that one mode alone has. */
  readonly extra: (program: Program) => Readonly<Record<string, Sections>>;
};

/** Daemons that a user runs. %E and %t are where their manager says that such files are. */
export const USER_MODE: Mode = {
  file: (name) => name,
  unit: (name) => name,
  config: "%E/pds",
  keyFolder: "ro,mode=0700",
  record: "%E/pds/installation/installation.toml",
  socket: "%t/pds/bus.sock",
  runtime: "pds",
  wantedBy: "default.target",
  socketAccess: [
    ["DirectoryMode", "0700"],
    ["SocketMode", "0600"],
  ],
  services: [
    // Without it the manager of a user ignores what needs a mount or network namespace.
    ["PrivateUsers", "yes"],
    ["ProtectHome", "read-only"],
  ],
  bus: [["ProtectProc", "invisible"]],
  extra: (program) => ({
    [LAUNCHER_SERVICE]: {
      Unit: [
        ["Description", "Sesame launcher of commands with secrets"],
        ...initialised(USER_MODE),
        // Installations that an older release set up have none until `sesame init` has run again.
        ["ConditionPathExists", `${USER_MODE.config}/keys/${LAUNCHER}`],
        ...partOfAll(USER_MODE),
        ["Wants", BUS_SOCKET],
        // It stops before them, and records how its programs ended.
        ["After", `${BUS_SERVICE} ${VAULT_SERVICE}`],
        ...RESTARTS,
      ],
      // Its programs inherit what it is confined by, so it is not. docs/LAUNCHER.md, Confinement.
      Service: [
        ...running(program, USER_MODE, LAUNCHER),
        ["UMask", "0077"],
        ["LimitCORE", "0"],
        ["LimitMEMLOCK", "64M"],
        ["NoNewPrivileges", "yes"],
      ],
    },
    [ALERTS_SERVICE]: {
      Unit: [
        ["Description", "Sesame alerts"],
        ...initialised(USER_MODE),
        ["ConditionPathExists", `${USER_MODE.config}/alerts.json`],
        ...partOfAll(USER_MODE),
        // It waits for nobody: the log is there before the first daemon and after the last.
        ["After", BUS_SERVICE],
        ...RESTARTS,
      ],
      // What it starts is the user's own program, which may need whatever the user may.
      Service: [
        ["Type", "exec"],
        ["ExecStart", `${nodeOn(program, NODE_FLAGS, "sesame.cjs")} alerts run`],
        ["UnsetEnvironment", LOADERS],
        ["Restart", "on-failure"],
        ["RestartSec", "10"],
        // Another process sends already; the log is damaged; the configuration is wrong.
        ["RestartPreventExitStatus", exitsOf("exists", "integrity", "config")],
        ["UMask", "0077"],
        ["LimitCORE", "0"],
      ],
    },
  }),
};

const SYSTEM_RECORD = `${recordFolder("%i")}/installation.toml`;

/**
 * Daemons that the system runs, under a user of their own, for the user whose id is the name of the
 * instance. Not here: PrivateUsers, which would hide from the bus who connects; and for the bus
 * ProtectProc, which would hide from the audit log what connects.
 */
export const SYSTEM_MODE: Mode = {
  file: (name) => name.replace(".", "@."),
  unit: (name) => name.replace(".", "@%i."),
  config: `${suiteFolder("%i")}/suite`,
  // The manager's own, which is root.
  keyFolder: "ro,mode=0755",
  record: SYSTEM_RECORD,
  socket: `${socketFolder("%i")}/bus.sock`,
  runtime: "sesame/%i/suite",
  wantedBy: "multi-user.target",
  socketAccess: [
    ["DirectoryMode", "0755"],
    ["SocketUser", "%i"],
    ["SocketGroup", suiteUser("%i")],
    ["SocketMode", "0660"],
  ],
  services: [
    ["User", suiteUser("%i")],
    ["Group", suiteUser("%i")],
    ["Environment", `${SERVES}=%i`],
    ["ProtectHome", "yes"],
  ],
  bus: [],
  extra: () => ({
    [RECORD_PATH]: {
      Unit: [
        ["Description", "Sesame: waits until user %i has run `sesame init`"],
        ["PartOf", TARGET.replace(".", "@%i.")],
      ],
      Path: [
        ["PathChanged", SYSTEM_RECORD],
        ["Unit", BUS_SOCKET.replace(".", "@%i.")],
      ],
    },
  }),
};

const PARTS = [BUS_SOCKET, BUS_SERVICE, VAULT_SERVICE] as const;

/** Ends for which starting again is no cure: a person is needed. */
const FINAL_EXITS = ["integrity", "denied", "config"] as const;

type Render = (program: Program, mode: Mode) => Sections;

const UNITS: Readonly<Record<string, Render>> = {
  [TARGET]: (program, { unit, wantedBy, extra }) => ({
    Unit: [
      ["Description", "Sesame: bus and vaults"],
      ["Wants", [...PARTS, ...Object.keys(extra(program))].map(unit).join(" ")],
    ],
    Install: [["WantedBy", wantedBy]],
  }),

  [BUS_SOCKET]: (_, mode) => ({
    Unit: [["Description", "Sesame bus socket"], ...initialised(mode), ...partOfAll(mode)],
    Socket: [["ListenStream", mode.socket], ...mode.socketAccess, ["RemoveOnStop", "yes"]],
  }),

  [BUS_SERVICE]: (program, mode) => ({
    Unit: [
      ["Description", "Sesame bus, profiles and audit log"],
      ...initialised(mode),
      ...partOfAll(mode),
      ["Requires", mode.unit(BUS_SOCKET)],
      ["Wants", mode.unit(VAULT_SERVICE)],
      ["After", mode.unit(BUS_SOCKET)],
      ...RESTARTS,
    ],
    Service: [
      ...running(program, mode, BUS_HOST),
      [
        "ReadWritePaths",
        `${mode.config}/audit ${mode.config}/profiles ${mode.config}/authority/${BUS_HOST}`,
      ],
      ["InaccessiblePaths", `${mode.config}/vaults`],
      ...onlyKeysOf(mode, BUS_HOST),
      ["LimitNOFILE", "4096"],
      ["MemoryMax", "512M"],
      ...mode.services,
      ...mode.bus,
      ...HARDENING,
    ],
  }),

  [VAULT_SERVICE]: (program, mode) => ({
    Unit: [
      ["Description", "Sesame vaults"],
      ...initialised(mode),
      ["Wants", mode.unit(BUS_SOCKET)],
      ["After", mode.unit(BUS_SOCKET)],
      // The bus leaves its last checkpoint with the vaults: they stop after it, once nobody wants
      // them. After= would order their start the same way, which waits for the bus.
      ["StopWhenUnneeded", "yes"],
      ...RESTARTS,
    ],
    Service: [
      ...running(program, mode, VAULT_OWNER),
      ["ReadWritePaths", `${mode.config}/vaults ${mode.config}/authority/${VAULT_OWNER}`],
      ["InaccessiblePaths", `${mode.config}/audit`],
      ...onlyKeysOf(mode, VAULT_OWNER),
      ["LimitNOFILE", "1024"],
      // Argon2id may take 1 GiB, where a vault's header says so. docs/VAULT.md
      ["MemoryMax", "1280M"],
      ...mode.services,
      ["ProtectProc", "invisible"],
      ...HARDENING,
    ],
  }),
};

/** Before `sesame init` there is nothing to run. */
function initialised({ record }: Mode): Directives {
  return [["ConditionPathExists", record]];
}

function partOfAll({ unit }: Mode): Directives {
  return [["PartOf", unit(TARGET)]];
}

const RESTARTS: Directives = [
  ["StartLimitIntervalSec", "60"],
  ["StartLimitBurst", "5"],
];

function nodeOn({ node, bundles }: Program, flags: readonly string[], bundle: string): string {
  return `:${quoted(node)} ${flags.join(" ")} ${quoted(`${bundles}/${bundle}`)}`;
}

function exitsOf(...exits: readonly ExitClass[]): string {
  return exits
    .map((exit) => EXIT_CODES[exit].code)
    .sort()
    .join(" ");
}

/** Variables that load code. */
const LOADERS = "NODE_OPTIONS NODE_PATH LD_PRELOAD LD_LIBRARY_PATH";

function running(program: Program, { runtime }: Mode, daemon: string): Directives {
  return [
    ["Type", "notify"],
    ["NotifyAccess", "main"],
    ["ExecStart", nodeOn(program, DAEMON_FLAGS, `${daemon}.mjs`)],
    ["UnsetEnvironment", LOADERS],
    ["Restart", "on-failure"],
    ["RestartSec", "1"],
    ["RestartPreventExitStatus", exitsOf(...FINAL_EXITS)],
    ["TimeoutStartSec", "20"],
    ["TimeoutStopSec", "10"],
    ["WatchdogSec", "30"],
    // The default, SIGABRT, would ask for a core.
    ["WatchdogSignal", "SIGKILL"],
    ["RuntimeDirectory", runtime],
    ["RuntimeDirectoryMode", "0700"],
    // The socket and the other daemon's lock are in it.
    ["RuntimeDirectoryPreserve", "yes"],
  ];
}

/** The keys of others, the operator's and the root key above all, are not there. */
function onlyKeysOf({ config, keyFolder }: Mode, daemon: string): Directives {
  const own = `${config}/keys/${daemon}`;
  return [
    ["TemporaryFileSystem", `${config}/keys:${keyFolder}`],
    ["BindPaths", `-${own}`],
    // It erases former keys.
    ["ReadWritePaths", `-${own}`],
  ];
}

// Not here: MemoryDenyWriteExecute, since V8 compiles at run time.
const HARDENING: Directives = [
  ["UMask", "0077"],
  ["LimitCORE", "0"],
  ["LimitMEMLOCK", "64M"],
  ["TasksMax", "64"],
  ["NoNewPrivileges", "yes"],
  ["PrivateNetwork", "yes"],
  ["PrivateIPC", "yes"],
  ["PrivateMounts", "yes"],
  ["PrivateTmp", "yes"],
  ["PrivateDevices", "yes"],
  ["DevicePolicy", "closed"],
  ["ProtectSystem", "strict"],
  ["ProtectClock", "yes"],
  ["ProtectControlGroups", "yes"],
  ["ProtectHostname", "yes"],
  ["ProtectKernelLogs", "yes"],
  ["ProtectKernelModules", "yes"],
  ["ProtectKernelTunables", "yes"],
  ["RestrictAddressFamilies", "AF_UNIX"],
  ["RestrictNamespaces", "yes"],
  ["RestrictRealtime", "yes"],
  ["RestrictSUIDSGID", "yes"],
  ["LockPersonality", "yes"],
  ["KeyringMode", "private"],
  ["RemoveIPC", "yes"],
  ["CapabilityBoundingSet", ""],
  ["AmbientCapabilities", ""],
  ["SystemCallArchitectures", "native"],
  // The second line is for the daemons' own sandbox and key pages, which older lists lack. io_uring
  // would go round any such filter.
  ["SystemCallFilter", "@system-service"],
  [
    "SystemCallFilter",
    "landlock_create_ruleset landlock_add_rule landlock_restrict_self seccomp memfd_secret",
  ],
  ["SystemCallFilter", "~@privileged @resources @keyring @aio @debug @obsolete"],
  ["SystemCallErrorNumber", "EPERM"],
];

/** All unit files of an installation, without the directory part of their paths. */
export function renderUnits(program: Program, mode: Mode = USER_MODE): readonly UnitFile[] {
  const sections: [string, Sections][] = [
    ...Object.entries(UNITS).map(([name, of]): [string, Sections] => [name, of(program, mode)]),
    ...Object.entries(mode.extra(program)),
  ];
  return sections.map(([name, of]) => ({
    name: mode.file(name),
    text: [`${MARK}\n`, ...Object.entries(of).map(section)].join("\n"),
  }));
}

export function unitNames(mode: Mode): string[] {
  return [...Object.keys(UNITS), ...Object.keys(mode.extra(PLACEHOLDERS))].map(mode.file);
}

function section([title, directives]: [string, Directives]): string {
  return `[${title}]\n${directives.map(([name, value]) => `${name}=${value}\n`).join("")}`;
}

/**
 * A word of a command line. Variables need no escaping behind `:`. systemd.service(5)
 *
 * @throws {Fault} config, if the path cannot stand in a unit file
 */
function quoted(path: string): string {
  if (/\p{Cc}/u.test(path))
    throw new Fault(
      "config",
      "the path of this program has control characters",
      "move it to another folder",
    );
  return `"${path.replaceAll("%", "%%").replaceAll(/["\\]/g, "\\$&")}"`;
}
