import type { BusClient } from "@sesame/core-ipc/client";
import { Fault } from "@sesame/core-types";
import { chosenProfiles, withBus, type Context } from "../context.ts";
import {
  buildEnvironment,
  selectVariables,
  undecodable,
  type FetchedSecret,
  type Shadowed,
} from "../environment/build.ts";
import { approved, type ApprovalFlags } from "../io/approved.ts";
import { print } from "../io/print.ts";
import { printable } from "../printable.ts";
import type { Outcome } from "../render.ts";
import type { ProfileFlag } from "./vault.ts";

export type EnvFlags = ProfileFlag & ApprovalFlags & { readonly prefix?: string };

/** Becomes the program; returns only if it cannot. */
export async function env(
  context: Context,
  command: readonly string[],
  flags: EnvFlags,
): Promise<Outcome> {
  const { findProgram, become } = await import("../io/exec.ts");
  const program = findProgram(command, context.env);
  const { env: environment, shadowed } = await withBus(context, (bus) =>
    fetched(context, bus, flags, ({ profiles, secrets, prefix }) =>
      buildEnvironment(context.env, { profiles, secrets, prefix }),
    ),
  );
  warnShadowed(shadowed);
  const lost = undecodable(context.env);
  if (lost.length > 0) warn(`not UTF-8, so changed for the program: ${lost.join(", ")}`);
  return become(program, command, environment);
}

export type ExportFlags = EnvFlags & { readonly format?: string };

const FORMATS = {
  shell: async () => (await import("../export/shell.ts")).toShell,
  dotenv: async () => (await import("../export/dotenv.ts")).toDotenv,
  json: async () => (await import("../export/json.ts")).toJson,
} as const;

export async function exportSecrets(context: Context, flags: ExportFlags): Promise<Outcome> {
  const format = flags.format ?? "shell";
  if (!Object.hasOwn(FORMATS, format))
    throw new Fault("usage", `unknown format ${printable(format)}`, "shell, dotenv or json");
  const { variables, shadowed } = await withBus(context, (bus) =>
    fetched(context, bus, flags, selectVariables),
  );
  warnShadowed(shadowed);
  const serialise = await FORMATS[format as keyof typeof FORMATS]();
  const text = serialise(variables);
  if (!context.json) print(1, text);
  return { text: "", data: Object.fromEntries(variables) };
}

type All = {
  readonly profiles: readonly string[];
  readonly secrets: readonly FetchedSecret[];
  readonly prefix: string | null;
};

/** All secrets of the chosen profiles, one call each; the bytes are wiped after use. */
async function fetched<T>(
  context: Context,
  bus: BusClient,
  flags: EnvFlags,
  use: (all: All) => T,
): Promise<T> {
  const profiles = await chosenProfiles(context, bus, flags.profile);
  const results = await Promise.all(
    profiles.map(async (profile) => {
      const { secrets } = await approved(bus, flags, () =>
        bus.call("secret.fetch", { profile, names: null }),
      );
      return secrets.map(({ name, value }) => ({ profile, name, value }));
    }),
  );
  const secrets = results.flat();
  try {
    return use({ profiles, secrets, prefix: flags.prefix ?? null });
  } finally {
    for (const { value } of secrets) value.fill(0);
  }
}

function warnShadowed(shadowed: readonly Shadowed[]): void {
  for (const { variable, profile, name, by } of shadowed)
    warn(`${variable} comes from ${by}; ${profile}'s ${name} is left out`);
}

function warn(text: string): void {
  print(2, `sesame: ${printable(text)}\n`);
}
