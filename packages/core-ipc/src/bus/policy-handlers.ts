import type { Params, Result } from "@sesame/core-types";
import type { Call } from "./dispatcher.ts";

/** What the requests about policies do; `PolicyKeeper` is one. */
export type PolicyDesk = {
  /** As it was signed; null: none is in force. */
  readonly text: Uint8Array | null;
  readonly isMissing: boolean;
  readonly offer: (file: Uint8Array) => {
    readonly version: number;
    readonly changed: boolean;
    readonly adopt: () => void;
  };
};

type PolicyHandlers = {
  readonly [N in "install" | "status"]: (
    params: Params<`policy.${N}`>,
    call: Call,
  ) => Promise<Result<`policy.${N}`>> | Result<`policy.${N}`>;
};

/**
 * Requests about policies, for an owner that goes by one. docs/POLICY.md, Owners.
 *
 * @param adopted - called once a policy is in force
 */
export function policyHandlers(
  desk: PolicyDesk,
  adopted: () => Promise<void> | void = () => undefined,
): PolicyHandlers {
  return {
    install: async ({ file }, call) => {
      const { version, changed, adopt } = desk.offer(file);
      call.about(null, `policy ${version}`);
      await call.record();
      adopt();
      await adopted();
      return { version, changed };
    },

    status: () => ({ text: desk.text, missing: desk.isMissing }),
  };
}
