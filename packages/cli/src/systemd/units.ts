import { BUS_HOST, EXIT_CODES, Fault, LAUNCHER, VAULT_OWNER } from "@sesame/core-types";
import { BUS_SERVICE, BUS_SOCKET, LAUNCHER_SERVICE, TARGET, VAULT_SERVICE } from "./names.ts";

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

// Where a user's manager says that configuration and runtime files are.
const CONFIG = "%E/pds";
const RUNTIME = "%t/pds";
/** Before `sesame init` there is nothing to run. */
const INITIALISED = ["ConditionPathExists", `${CONFIG}/installation/installation.toml`] as const;
const PART_OF_ALL = ["PartOf", TARGET] as const;

/** Ends for which starting again is no cure: a person is needed. */
const FINAL_EXITS = ["integrity", "denied", "config"] as const;

const UNITS: Readonly<Record<string, (program: Program) => Sections>> = {
  [TARGET]: () => ({
    Unit: [
      ["Description", "Sesame: bus and vaults"],
      ["Wants", `${BUS_SOCKET} ${BUS_SERVICE} ${VAULT_SERVICE} ${LAUNCHER_SERVICE}`],
    ],
    Install: [["WantedBy", "default.target"]],
  }),

  [BUS_SOCKET]: () => ({
    Unit: [["Description", "Sesame bus socket"], INITIALISED, PART_OF_ALL],
    Socket: [
      ["ListenStream", `${RUNTIME}/bus.sock`],
      ["DirectoryMode", "0700"],
      ["SocketMode", "0600"],
      ["RemoveOnStop", "yes"],
    ],
  }),

  [BUS_SERVICE]: (program) => ({
    Unit: [
      ["Description", "Sesame bus, profiles and audit log"],
      INITIALISED,
      PART_OF_ALL,
      ["Requires", BUS_SOCKET],
      ["Wants", VAULT_SERVICE],
      ["After", BUS_SOCKET],
      ...RESTARTS,
    ],
    Service: [
      ...running(program, BUS_HOST),
      ["ReadWritePaths", `${CONFIG}/audit ${CONFIG}/profiles ${CONFIG}/authority/${BUS_HOST}`],
      ["InaccessiblePaths", `${CONFIG}/vaults`],
      ...onlyKeyOf(BUS_HOST),
      ["LimitNOFILE", "4096"],
      ["MemoryMax", "512M"],
      ...HARDENING,
    ],
  }),

  [VAULT_SERVICE]: (program) => ({
    Unit: [
      ["Description", "Sesame vaults"],
      INITIALISED,
      ["Wants", BUS_SOCKET],
      ["After", BUS_SOCKET],
      // The bus leaves its last checkpoint with the vaults: they stop after it, once nobody wants
      // them. After= would order their start the same way, which waits for the bus.
      ["StopWhenUnneeded", "yes"],
      ...RESTARTS,
    ],
    Service: [
      ...running(program, VAULT_OWNER),
      ["ReadWritePaths", `${CONFIG}/vaults ${CONFIG}/authority/${VAULT_OWNER}`],
      ["InaccessiblePaths", `${CONFIG}/audit`],
      ...onlyKeyOf(VAULT_OWNER),
      ["LimitNOFILE", "1024"],
      // Argon2id may take 1 GiB, where a vault's header says so. docs/VAULT.md
      ["MemoryMax", "1280M"],
      ...HARDENING,
    ],
  }),

  [LAUNCHER_SERVICE]: (program) => ({
    Unit: [
      ["Description", "Sesame launcher of commands with secrets"],
      INITIALISED,
      // Installations that an older release set up have none until `sesame init` has run again.
      ["ConditionPathExists", `${CONFIG}/keys/${LAUNCHER}.key`],
      PART_OF_ALL,
      ["Wants", BUS_SOCKET],
      // It stops before them, and records how its programs ended.
      ["After", `${BUS_SERVICE} ${VAULT_SERVICE}`],
      ...RESTARTS,
    ],
    // Its programs inherit what it is confined by, so it is not. docs/LAUNCHER.md, Confinement.
    Service: [
      ...running(program, LAUNCHER),
      ["UMask", "0077"],
      ["LimitCORE", "0"],
      ["LimitMEMLOCK", "64M"],
      ["NoNewPrivileges", "yes"],
    ],
  }),
};

export const UNIT_NAMES: readonly string[] = Object.keys(UNITS);

const RESTARTS: Directives = [
  ["StartLimitIntervalSec", "60"],
  ["StartLimitBurst", "5"],
];

function running({ node, bundles }: Program, daemon: string): Directives {
  const finals = FINAL_EXITS.map((exit) => EXIT_CODES[exit].code).sort();
  return [
    ["Type", "notify"],
    ["NotifyAccess", "main"],
    // SIGUSR1 would open Node's inspector to every process of this user.
    [
      "ExecStart",
      `:${quoted(node)} --disable-sigusr1 --no-warnings ${quoted(`${bundles}/${daemon}.mjs`)}`,
    ],
    ["UnsetEnvironment", "NODE_OPTIONS NODE_PATH LD_PRELOAD LD_LIBRARY_PATH"],
    ["Restart", "on-failure"],
    ["RestartSec", "1"],
    ["RestartPreventExitStatus", finals.join(" ")],
    ["TimeoutStartSec", "20"],
    ["TimeoutStopSec", "10"],
    ["WatchdogSec", "30"],
    // The default, SIGABRT, would ask for a core.
    ["WatchdogSignal", "SIGKILL"],
    ["RuntimeDirectory", "pds"],
    ["RuntimeDirectoryMode", "0700"],
    // The socket and the other daemon's lock are in it.
    ["RuntimeDirectoryPreserve", "yes"],
  ];
}

/** The keys of others, the operator's and the root key above all, are not there. */
function onlyKeyOf(daemon: string): Directives {
  return [
    ["TemporaryFileSystem", `${CONFIG}/keys:ro`],
    ["BindReadOnlyPaths", `-${CONFIG}/keys/${daemon}.key`],
  ];
}

// Not here: MemoryDenyWriteExecute, since V8 compiles at run time.
const HARDENING: Directives = [
  ["UMask", "0077"],
  ["LimitCORE", "0"],
  ["LimitMEMLOCK", "64M"],
  ["TasksMax", "64"],
  ["NoNewPrivileges", "yes"],
  // Without it the manager of a user ignores everything below that needs a mount or network
  // namespace.
  ["PrivateUsers", "yes"],
  ["PrivateNetwork", "yes"],
  ["PrivateIPC", "yes"],
  ["PrivateMounts", "yes"],
  ["PrivateTmp", "yes"],
  ["PrivateDevices", "yes"],
  ["DevicePolicy", "closed"],
  ["ProtectSystem", "strict"],
  ["ProtectHome", "read-only"],
  ["ProtectProc", "invisible"],
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
export function renderUnits(program: Program): readonly UnitFile[] {
  return Object.entries(UNITS).map(([name, sections]) => ({
    name,
    text: [`${MARK}\n`, ...Object.entries(sections(program)).map(section)].join("\n"),
  }));
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
