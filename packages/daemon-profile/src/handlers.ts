import { measurePosture } from "@sesame/core-ipc/daemon";
import { Denial, type AuditRecord, type BUS_HOST, type Checkpoint } from "@sesame/core-types";
import type { Handlers } from "@sesame/core-ipc/server";
import { create, listed, setActive, setDefault, type Profiles } from "./profile/profiles.ts";

/** What the handlers ask of the daemon around them. */
export type Host = {
  readonly release: string;
  readonly pid: number;
  readonly uptimeMs: () => number;
  readonly secretsConnected: () => boolean;
  readonly auditWritable: () => boolean;
  readonly profiles: () => Profiles;
  /** Makes a new state durable, then tells everybody. */
  readonly setProfiles: (state: Profiles) => void;
  /** Records what another daemon did, with the caller's evidence; resolves once durable. */
  readonly append: (daemon: string, record: AuditRecord) => Promise<number>;
  readonly checkpoint: () => Promise<Checkpoint>;
};

/** Requests that daemon-profile answers. */
export function handlersOf(host: Host): Handlers<typeof BUS_HOST> {
  return {
    "status.get": (_, { identity }) => ({
      release: host.release,
      pid: host.pid,
      uptimeMs: host.uptimeMs(),
      secretsConnected: host.secretsConnected(),
      auditWritable: host.auditWritable(),
      you: identity?.name ?? null,
    }),

    "bus.posture": () => measurePosture(),

    "profile.list": () => ({ profiles: listed(host.profiles()) }),

    "profile.create": async ({ profile }, call) => {
      call.about(profile);
      const before = host.profiles();
      const after = create(before, profile);
      await call.record();
      if (after !== before) host.setProfiles(after);
      return { created: after !== before };
    },

    "profile.activate": async ({ profile }, call) => {
      call.about(profile);
      const before = host.profiles();
      const after = setActive(before, profile, true);
      await call.record();
      if (after !== before) host.setProfiles(after);
      return { changed: after !== before };
    },

    "profile.deactivate": async ({ profile }, call) => {
      call.about(profile);
      const before = host.profiles();
      const after = setActive(before, profile, false);
      await call.record();
      if (after !== before) host.setProfiles(after);
      return { changed: after !== before };
    },

    "profile.set-default": async ({ profile }, call) => {
      call.about(profile);
      const before = host.profiles();
      const after = setDefault(before, profile);
      await call.record();
      host.setProfiles(after);
      return { previous: before.default };
    },

    "audit.append": async ({ records }, { identity }) => {
      const daemon = identity?.name;
      if (daemon === undefined) throw new Denial("capability-missing");
      const sequences = await Promise.all(records.map((record) => host.append(daemon, record)));
      return { sequence: Math.max(0, ...sequences) };
    },

    "audit.checkpoint": async () => ({ checkpoint: await host.checkpoint() }),
  };
}
