import { loadInstallation } from "@sesame/core-ipc/daemon";
import { nodeSuite } from "@sesame/core-crypto/node";
import { Fault, RELEASE } from "@sesame/core-types";
import { pathsOf, withBus, type Context } from "../context.ts";
import { table, type Outcome } from "../render.ts";

const PANIC_HOLDS = "everything is locked and refused; `sesame panic --lift` ends it";

export async function status(context: Context): Promise<Outcome> {
  const paths = pathsOf(context);
  if (loadInstallation(nodeSuite, paths.installation) === null)
    throw new Fault("config", "sesame is not set up for this user", "run `sesame init`");
  try {
    return await withBus(
      context,
      async (bus) => {
        const general = await bus.call("status.get", {});
        const registered = bus.welcome.clearance !== "open";
        const profiles = registered ? (await bus.call("profile.list", {})).profiles : null;
        const vaults =
          registered && general.secretsConnected
            ? (await bus.call("vault.status", {})).vaults
            : null;
        const lines = [
          ...(general.panic ? [`PANIC      ${PANIC_HOLDS}`] : []),
          `daemons    running (release ${general.release}, pid ${general.pid})`,
          `vaults     ${general.secretsConnected ? "connected" : "daemon-secrets is not connected"}`,
          `audit log  ${general.auditWritable ? "writable" : "NOT WRITABLE: no secrets are released"}`,
          `you        ${general.you ?? "unregistered (open clearance)"}`,
        ];
        const rows = (profiles ?? []).map(({ name, active, default: chosen }) => {
          const vault = vaults?.find(({ profile }) => profile === name);
          const state = vault === undefined ? "unknown" : vault.locked ? "locked" : "unlocked";
          return [name, state, active ? "active" : "inactive", chosen ? "default" : ""];
        });
        if (rows.length > 0) lines.push("", table(["PROFILE", "VAULT", "STATE", ""], rows));
        return {
          text: lines.join("\n"),
          data: { running: true, ...general, profiles, vaults },
        };
      },
      false,
    );
  } catch (cause) {
    if (!(cause instanceof Fault) || cause.exit !== "unavailable") throw cause;
    return {
      text: "daemons    not running (they start when they are needed)",
      data: { running: false, release: RELEASE },
    };
  }
}
