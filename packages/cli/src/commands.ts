import { Fault } from "@sesame/core-types";
import type { Context } from "./context.ts";
import type { Outcome } from "./render.ts";

// The one table of commands: the parser, the help and the documentation derive from it. Modules
// are loaded when their command runs.

export type Flags = Readonly<Record<string, string | boolean | undefined>>;

export type Command = {
  /** Words, then arguments as commander writes them. */
  readonly usage: string;
  readonly summary: string;
  /** What its own help says besides. */
  readonly details?: string;
  /** Flags as commander writes them, with their description and default. */
  readonly flags?: readonly (readonly [flag: string, about: string, preset?: string])[];
  /** Everything after the first argument belongs to another program. */
  readonly passThrough?: boolean;
  readonly run: (context: Context, words: readonly string[], flags: Flags) => Promise<Outcome>;
};

const PROFILE = [
  "-p, --profile <name>",
  "profile (else SESAME_PROFILES, else the default)",
] as const;
const PROFILES = [
  "-p, --profile <names>",
  "profiles, separated by commas; the first wins",
] as const;
const WAIT = [
  "--wait <time>",
  "how long to wait where an approval is needed: 60s, 5m; 0s to ask only",
  "60s",
] as const;
const REASON = ["--reason <text>", "what it is for, if somebody has to approve it"] as const;
const SYSTEM = [
  ["--system", "for the user of `--user`, under a user of the daemons' own; as root"],
  ["--user <name>", "whom the daemons serve; a name or a user id"],
] as const;
const PREFIX = ["--prefix <prefix>", "put PREFIX_ in front of every variable"] as const;

/** Name of the user for whom the system is to run the daemons; null: nobody. */
function servedBy({ system, user }: Flags): string | null {
  if (system === undefined && user === undefined) return null;
  if (system === true && typeof user === "string") return user;
  throw new Fault(
    "usage",
    "`--system` and `--user NAME` go together",
    "`sudo sesame daemon install --system --user NAME`",
  );
}

/** What the first words of several commands stand for. */
export const GROUPS: Readonly<Record<string, string>> = {
  agent: "who belongs to the installation: services, AI agents, you",
  "agent token": "tokens that let agents in without asking",
  alerts: "be told of what stands out in the audit log",
  audit: "the log of every use: read, verify, export",
  daemon: "the daemons behind the command",
  grant: "give another identity some of your rights, for a time",
  help: "this, and the table of exit codes",
  key: "key files: passphrases, new keys for the daemons, foreign keys",
  policy: "signed rules that narrow what anybody may do",
  profile: "profiles, each with a vault of its own",
  record: "the signed record of who belongs to the installation",
  secret: "the secrets of a profile",
  totp: "one-time codes as a second factor",
  trust: "what is known of those who are connected",
};

export const COMMANDS: readonly Command[] = [
  {
    usage: "init",
    summary: "set up this user's installation; safe to run again",
    run: async (context) => (await import("./commands/init.ts")).init(context),
  },
  {
    usage: "status",
    summary: "daemons, profiles, vaults",
    flags: [["--doctor", "the same as `sesame doctor`"]],
    run: async (context, _, flags) =>
      flags["doctor"] === true
        ? (await import("./commands/doctor.ts")).doctor(context)
        : (await import("./commands/status.ts")).status(context),
  },
  {
    usage: "doctor",
    summary: "measure every control in the running daemons; exit code 78 unless each holds",
    run: async (context) => (await import("./commands/doctor.ts")).doctor(context),
  },
  {
    usage: "unlock",
    summary:
      "unlock a vault and activate its profile; the password is read from the terminal or stdin",
    flags: [PROFILES],
    run: async (context, _, flags) => (await import("./commands/vault.ts")).unlock(context, flags),
  },
  {
    usage: "lock",
    summary: "lock one vault, or all",
    flags: [["-p, --profile <name>", "only this profile"]],
    run: async (context, _, flags) => (await import("./commands/vault.ts")).lock(context, flags),
  },
  {
    usage: "panic",
    summary: "lock everything, end other sessions, and refuse all until it is lifted",
    flags: [
      ["--lift", "end it; asks for the password of a vault"],
      ["-p, --profile <name>", "with --lift: whose vault's password (else the default's)"],
      ["--root-key", "with --lift: by the root key's password instead of a vault's"],
    ],
    run: async (context, _, flags) => (await import("./commands/panic.ts")).panic(context, flags),
  },
  {
    usage: "env <command...>",
    summary: "run a command with the secrets of a profile in its environment",
    flags: [PROFILES, PREFIX, WAIT, REASON],
    passThrough: true,
    run: async (context, words, flags) =>
      (await import("./commands/env.ts")).env(context, words, flags),
  },
  {
    usage: "run <command...>",
    summary: "have a command run with secrets that you may use and not read",
    details:
      "Secrets are taken out of its output. That does not stop a program that changes them, sends " +
      "them away, or is looked at by other programs of this user. `--json` is for errors of its " +
      "own; the output stays as it is.",
    flags: [
      PROFILE,
      ["--only <names>", "secrets, separated by commas (else all that the grant covers)"],
      ["--file <names>", "of these, the variable names a file that holds the secret"],
      ["--grant <id>", "draw on this grant"],
      ["--no-redact", "leave secrets in the output, if the grant says so"],
      WAIT,
      REASON,
    ],
    passThrough: true,
    run: async (context, words, flags) =>
      (await import("./commands/run.ts")).runWithSecrets(context, words, flags),
  },
  {
    usage: "export",
    summary: "print the secrets of a profile for a shell, a .env file or JSON",
    flags: [
      PROFILES,
      PREFIX,
      ["-f, --format <format>", "shell, dotenv or json", "shell"],
      WAIT,
      REASON,
    ],
    run: async (context, _, flags) =>
      (await import("./commands/env.ts")).exportSecrets(context, flags),
  },
  {
    usage: "secret set <name>",
    summary: "store a secret; the value is read from the terminal or is the whole of stdin",
    flags: [PROFILE, ["--ask", "protect it first: others get it once you have approved"]],
    run: async (context, [name = ""], flags) =>
      (await import("./commands/secret.ts")).secretSet(context, name, flags),
  },
  {
    usage: "secret get <name>",
    summary: "print a secret, byte for byte",
    flags: [PROFILE, WAIT, REASON],
    run: async (context, [name = ""], flags) =>
      (await import("./commands/secret.ts")).secretGet(context, name, flags),
  },
  {
    usage: "secret list",
    summary: "names, versions and dates; never values",
    flags: [PROFILE],
    run: async (context, _, flags) =>
      (await import("./commands/secret.ts")).secretList(context, flags),
  },
  {
    usage: "secret delete <name>",
    summary: "delete a secret and all its versions",
    flags: [PROFILE, ["-y, --yes", "do not ask"]],
    run: async (context, [name = ""], flags) =>
      (await import("./commands/secret.ts")).secretDelete(context, name, flags),
  },
  {
    usage: "secret protect <name>",
    summary: "give a secret to others only once you have approved it",
    flags: [PROFILE, ["--off", "give it without asking again"]],
    run: async (context, [name = ""], flags) =>
      (await import("./commands/secret.ts")).secretProtect(context, name, flags),
  },
  {
    usage: "approve [id]",
    summary: "show who waits for your approval, and answer",
    flags: [
      ["--list", "show what waits, without asking"],
      ["--once", "approve one use"],
      ["--for <time>", "approve for a time: 10m, 2h"],
      ["--never", "refuse, until the daemons start anew"],
      ["--watch", "stay, and tell of each new request"],
    ],
    run: async (context, [id], flags) =>
      (await import("./commands/approve.ts")).approve(context, id, flags),
  },
  {
    usage: "totp enroll",
    summary: "set up one-time codes of a profile; shows once what an authenticator app takes",
    flags: [PROFILE, ["--replace", "instead of those there are; takes a current code"]],
    run: async (context, _, flags) =>
      (await import("./commands/totp.ts")).totpEnroll(context, flags),
  },
  {
    usage: "totp confirm",
    summary: "put them in force with a first code from the app",
    flags: [PROFILE],
    run: async (context, _, flags) =>
      (await import("./commands/totp.ts")).totpConfirm(context, flags),
  },
  {
    usage: "policy sign <file>",
    summary: "make a signed policy of rules; asks for the password of the root key",
    flags: [["--out <file>", "where to; else it is printed"]],
    run: async (context, [file = ""], flags) =>
      (await import("./commands/policy.ts")).policySign(context, file, flags),
  },
  {
    usage: "policy install <file>",
    summary: "put a signed policy in force; safe to run again",
    run: async (context, [file = ""]) =>
      (await import("./commands/policy.ts")).policyInstall(context, file),
  },
  {
    usage: "policy show",
    summary: "the policy in force",
    run: async (context) => (await import("./commands/policy.ts")).policyShow(context),
  },
  {
    usage: "policy test <identity> <capability> [secret]",
    summary: "what a policy has against a call; nothing is changed",
    flags: [
      ["-p, --profile <name>", "the profile that the call is about"],
      ["--file <file>", "rules that are not in force, signed or not"],
    ],
    run: async (context, [identity = "", capability = "", secret], flags) =>
      (await import("./commands/policy.ts")).policyTest(
        context,
        { identity, capability, secret: secret ?? null },
        flags,
      ),
  },
  {
    usage: "profile list",
    summary: "profiles and the state of their vaults",
    run: async (context) => (await import("./commands/profile.ts")).profileList(context),
  },
  {
    usage: "profile create <name>",
    summary: "make a profile and its vault; asks for the vault's password",
    run: async (context, [name = ""]) =>
      (await import("./commands/profile.ts")).profileCreate(context, name),
  },
  {
    usage: "profile activate <name>",
    summary: "use a profile again",
    run: async (context, [name = ""]) =>
      (await import("./commands/profile.ts")).profileActivate(context, name),
  },
  {
    usage: "profile deactivate <name>",
    summary: "refuse the secrets of a profile without locking its vault",
    run: async (context, [name = ""]) =>
      (await import("./commands/profile.ts")).profileDeactivate(context, name),
  },
  {
    usage: "profile default <name>",
    summary: "use this profile where none is named",
    run: async (context, [name = ""]) =>
      (await import("./commands/profile.ts")).profileDefault(context, name),
  },
  {
    usage: "audit verify",
    summary: "check the audit log from its first entry to its last",
    flags: [["--anchor <file>", "checkpoints that were kept elsewhere"]],
    run: async (context, _, flags) =>
      (await import("./commands/audit.ts")).auditVerify(context, flags),
  },
  {
    usage: "audit tail",
    summary: "the last entries of the audit log",
    flags: [
      ["-n, --count <number>", "entries to begin with", "20"],
      ["-f, --follow", "wait for further entries"],
    ],
    run: async (context, _, flags) =>
      (await import("./commands/audit.ts")).auditTail(context, { count: "20", ...flags }),
  },
  {
    usage: "audit export",
    summary: "write a part of the audit log as a signed file that others can check",
    flags: [
      ["--from <number>", "first entry", "1"],
      ["--to <number>", "last entry (else all); the checkpoint after it is added"],
      ["--out <file>", "write it there (else to stdout); the file must not exist"],
      ["--anchor <file>", "checkpoints that were kept elsewhere"],
    ],
    run: async (context, _, flags) =>
      (await import("./commands/audit-export.ts")).auditExport(context, flags),
  },
  {
    usage: "audit checkpoint",
    summary: "print a signed checkpoint, to be kept elsewhere",
    flags: [
      ["-f, --follow", "then each further one as it is made"],
      ["--to <file>", "with --follow: add them to this file, each on disk before the next"],
    ],
    run: async (context, _, flags) =>
      (await import("./commands/audit.ts")).auditCheckpoint(context, flags),
  },
  {
    usage: "agent enroll",
    summary: "make keys and ask the operator to let their holder in; safe to run again",
    flags: [
      ["--name <name>", "name of the new identity"],
      ["--kind <kind>", "service, ai or extension"],
      ["--clearance <level>", "highest level of messages that it wants (else internal)"],
      ["--want <scope>", "what it will do, as in 'secret-list secret-use:ci/*'"],
      ["--token-file <file>", "come in by the token in this file (0600), or in stdin with `-`"],
      ["--signer <key>", "ssh-agent:SHA256:… signs instead of a key in the file"],
    ],
    run: async (context, _, flags) =>
      (await import("./commands/agent.ts")).agentEnroll(context, flags),
  },
  {
    usage: "agent status",
    summary: "whether this identity (`--as`) waits or is registered",
    run: async (context) => (await import("./commands/agent.ts")).agentStatus(context),
  },
  {
    usage: "agent list",
    summary: "who is registered and who waits, with fingerprints to compare",
    run: async (context) => (await import("./commands/agents.ts")).agentList(context),
  },
  {
    usage: "agent show <name>",
    summary: "kind, state, rights, keys, fingerprint; and who asks, of somebody who waits",
    run: async (context, [name = ""]) =>
      (await import("./commands/agents.ts")).agentShow(context, name),
  },
  {
    usage: "agent approve <name>",
    summary: "let somebody in who waits; asks for the password of the root key",
    flags: [
      ["--fingerprint <fingerprint>", "only if it is this one, in digits or words"],
      ["--capabilities <words>", "what it gets, instead of what it wants of its kind's defaults"],
      ["--more", "let --capabilities exceed what the kind usually gets"],
    ],
    run: async (context, [name = ""], flags) =>
      (await import("./commands/agents.ts")).agentApprove(context, name, flags),
  },
  {
    usage: "agent reject <name>",
    summary: "send somebody away who waits",
    run: async (context, [name = ""]) =>
      (await import("./commands/agents.ts")).agentReject(context, name),
  },
  {
    usage: "agent suspend <name>",
    summary: "take an identity's rights away until `agent resume`; its connections end",
    run: async (context, [name = ""]) =>
      (await import("./commands/agents.ts")).agentSuspend(context, name),
  },
  {
    usage: "agent resume <name>",
    summary: "give a suspended identity its rights back",
    run: async (context, [name = ""]) =>
      (await import("./commands/agents.ts")).agentResume(context, name),
  },
  {
    usage: "agent block <who>",
    summary: "end connections and rights at once, by name or fingerprint; takes no password",
    flags: [
      ["--reason <word>", "why: review, abuse, compromised, tampered …", "review"],
      ["--for <span>", "for how long, as in 24h; else until it is unblocked"],
      ["--evidence <entries>", "entries of the audit log that it rests on, as in 120,121"],
    ],
    run: async (context, [who = ""], flags) =>
      (await import("./commands/blocks.ts")).agentBlock(context, who, flags),
  },
  {
    usage: "agent unblock <who>",
    summary: "end a block",
    run: async (context, [who = ""]) =>
      (await import("./commands/blocks.ts")).agentUnblock(context, who),
  },
  {
    usage: "agent blocked",
    summary: "who is blocked, why, until when and by what evidence",
    run: async (context) => (await import("./commands/blocks.ts")).agentBlocked(context),
  },
  {
    usage: "agent rotate [name]",
    summary: "give an identity (else `--as`) new keys; the former ones are accepted for a while",
    flags: [
      ["--overlap <span>", "for how long", "48h"],
      ["--if-older <span>", "only if its keys are older than that, as in 30d"],
      ["--signer <key>", "ssh-agent:SHA256:… signs from then on"],
      ["--root-key", "sign with the root key, which asks for its password (the operator's always)"],
    ],
    run: async (context, [name = ""], flags) =>
      (await import("./commands/rotate.ts")).agentRotate(context, name, flags),
  },
  {
    usage: "agent revoke <name>",
    summary: "end an identity and its connections; asks for the password of the root key",
    run: async (context, [name = ""]) =>
      (await import("./commands/agents.ts")).agentRevoke(context, name),
  },
  {
    usage: "agent token create",
    summary:
      "make a token that lets agents in without asking; asks for the password of the root key",
    flags: [
      ["--uses <number>", "how many it lets in", "1"],
      ["--ttl <span>", "for how long", "24h"],
      ["--kind <kind>", "service, ai or extension", "ai"],
      ["--name <pattern>", "under which names; one * may stand for any characters", "*"],
      ["--clearance <level>", "highest clearance that it gives", "internal"],
      ["--capabilities <words>", "what it gives, instead of the kind's defaults"],
      ["--more", "let --capabilities exceed what the kind usually gets"],
      ["--out <file>", "write it there (else to stdout); the file must not exist"],
    ],
    run: async (context, _, flags) =>
      (await import("./commands/token.ts")).tokenCreate(context, flags),
  },
  {
    usage: "agent token list",
    summary: "the tokens that are in force, what they give, and whom they let in",
    run: async (context) => (await import("./commands/token.ts")).tokenList(context),
  },
  {
    usage: "agent token revoke <id>",
    summary: "end a token; whom it let in stays",
    run: async (context, [id = ""]) =>
      (await import("./commands/token.ts")).tokenRevoke(context, id),
  },
  {
    usage: "key protect",
    summary: "put this identity's keys (`--as`) under a passphrase; safe to run again",
    flags: [["--change", "replace the passphrase that there is"]],
    run: async (context, _, flags) =>
      (await import("./commands/key.ts")).keyProtect(context, flags),
  },
  {
    usage: "key unprotect",
    summary: "remove the passphrase of this identity's keys (`--as`)",
    run: async (context) => (await import("./commands/key.ts")).keyUnprotect(context),
  },
  {
    usage: "key rotate [daemon]",
    summary: "give the daemons new keys (bus, secrets, launcher, all); the former ones overlap",
    flags: [
      ["--overlap <span>", "for how long the former keys are accepted (48h)"],
      ["--compromised", "end the former keys at once: they may be somebody else's"],
      ["--if-older <span>", "only keys that are older than that, as in 30d"],
    ],
    run: async (context, [daemon = "all"], flags) =>
      (await import("./commands/rotate-daemons.ts")).keyRotate(context, daemon, flags),
  },
  {
    usage: "key import <file>",
    summary: "take over a signing key that another program sealed under a passphrase",
    flags: [["--name <name>", "identity that is to have it"]],
    run: async (context, [file = ""], flags) =>
      (await import("./commands/key.ts")).keyImport(context, file, flags),
  },
  {
    usage: "record renew",
    summary: "make a restored installation record the latest; asks for the root key's password",
    run: async (context) => (await import("./commands/record.ts")).recordRenew(context),
  },
  {
    usage: "alerts run",
    summary: "follow the audit log and send what stands out to a command, a webhook, the desktop",
    flags: [["--config <file>", "instead of alerts.json in the configuration directory"]],
    run: async (context, _, flags) =>
      (await import("./commands/alerts.ts")).alertsRun(context, flags),
  },
  {
    usage: "alerts test",
    summary: "send a made-up alert to every place; exit code 69 unless each took it",
    flags: [["--config <file>", "instead of alerts.json in the configuration directory"]],
    run: async (context, _, flags) =>
      (await import("./commands/alerts.ts")).alertsTest(context, flags),
  },
  {
    usage: "trust show [name]",
    summary:
      "what the bus tells owners of this connection; for an identity also its score, and why",
    run: async (context, [name]) => (await import("./commands/trust.ts")).trustShow(context, name),
  },
  {
    usage: "grant create [command...]",
    summary:
      "let another identity do something of what this one may, for a time; with `secret-use`, the command that it may run: a program and patterns of its arguments",
    flags: [
      ["--to <name>", "who may"],
      ["--scope <scope>", "what: 'secret-read:ci/* secret-list', see docs/AUTHORITY.md"],
      ["-p, --profile <names>", "only in these profiles, separated by commas"],
      ["--ttl <duration>", "how long at most (15m for an ai, else 8h; at most 24h)"],
      ["--heartbeat <duration>", "how often its holder shows that it is there (60s)"],
      ["--max-uses <number>", "how often it may be used"],
      ["--depth <number>", "how often it may be handed on (0)"],
      ["--exe <path>", "only by this program, as it is now"],
      ["--min-posture <percent>", "only while the daemons keep their keys as well as that"],
      ["--min-authentication <proof>", "only with such a proof: see `sesame trust show`"],
      ["--parent <id>", "the grant that this one draws on (else: this identity's enrolment)"],
      ["--directory <path>", "the command runs there and nowhere else"],
      ["--unpinned", "the command's program may change its content"],
      ["--unredacted", "the command's output may be handed on as it is (`sesame run --no-redact`)"],
      ["--any-command", "every command: whoever may run any can print what it uses"],
    ],
    passThrough: true,
    run: async (context, words, flags) =>
      (await import("./commands/grant.ts")).grantCreate(context, words, flags),
  },
  {
    usage: "grant list",
    summary: "grants that are alive, to and from this identity; all of them for the operator",
    run: async (context) => (await import("./commands/grant.ts")).grantList(context),
  },
  {
    usage: "grant show <id>",
    summary: "a grant with those above it, and what they give together",
    run: async (context, [id = ""]) => (await import("./commands/grant.ts")).grantShow(context, id),
  },
  {
    usage: "grant renew <id>",
    summary: "give the same again from now on, and end the old grant",
    run: async (context, [id = ""]) =>
      (await import("./commands/grant.ts")).grantRenew(context, id),
  },
  {
    usage: "grant revoke [id]",
    summary: "end a grant and those below it at once",
    flags: [["--identity <name>", "instead: every grant to and from an identity"]],
    run: async (context, [id], flags) =>
      (await import("./commands/grant.ts")).grantRevoke(context, id, flags),
  },
  {
    usage: "grant hold [command...]",
    summary: "keep the grants of this identity alive while a command runs, or until interrupted",
    flags: [["--grant <ids>", "only these, separated by commas"]],
    passThrough: true,
    run: async (context, words, flags) =>
      (await import("./commands/grant.ts")).grantHold(context, words, flags),
  },
  {
    usage: "daemon start",
    summary: "start the daemons in the background",
    run: async (context) => (await import("./commands/daemon.ts")).daemonStart(context),
  },
  {
    usage: "daemon stop",
    summary: "stop the daemons",
    run: async (context) => (await import("./commands/daemon.ts")).daemonStop(context),
  },
  {
    usage: "daemon run",
    summary: "run the daemons in the foreground",
    run: async (context) => (await import("./commands/daemon.ts")).daemonRun(context),
  },
  {
    usage: "daemon install",
    summary: "let systemd run the daemons, from login on; safe to run again",
    flags: [
      ...SYSTEM,
      ["--new-keys", "with `--system`: make keys for that user's `sesame key rotate`"],
    ],
    run: async (context, _, flags) => {
      const user = servedBy(flags);
      const newKeys = flags["newKeys"] === true;
      if (user !== null) return (await import("./commands/system.ts")).systemInstall(user, newKeys);
      if (newKeys)
        throw new Fault("usage", "your daemons' keys are your own", "`sesame key rotate`");
      return (await import("./commands/install.ts")).daemonInstall(context);
    },
  },
  {
    usage: "daemon uninstall",
    summary: "remove what `daemon install` wrote; the daemons start when they are needed",
    flags: SYSTEM,
    run: async (context, _, flags) => {
      const user = servedBy(flags);
      return user === null
        ? (await import("./commands/install.ts")).daemonUninstall(context)
        : (await import("./commands/system.ts")).systemUninstall(user);
    },
  },
  {
    usage: "daemon keys",
    summary: "a step of `daemon install --system`: make the keys of the daemons",
    flags: [["--next", "with new ones beside those that are signed"]],
    run: async (context, _, flags) =>
      (await import("./commands/system.ts")).daemonKeys(context, flags["next"] === true),
  },
  {
    usage: "help exit-codes",
    summary: "what the exit codes mean",
    run: async () => (await import("./commands/exit-codes.ts")).exitCodes(),
  },
];
