import { rows, type Row } from "../row.ts";

const SEAL_FOLDER = "packages/core-ipc/src/seal";

/** Calls that are sealed end to end: what the bus host can do with them. */
export const SEAL: readonly Row[] = [
  ...rows(`${SEAL_FOLDER}/sealed.test.ts`, `${SEAL_FOLDER}/sealed-owner.ts`, [
    {
      title: "[SEAL-6] a reply to one call does not answer another",
      defence: "each call of a session is answered under its own number",
      from: "const sealed = kept.session.reply.seal(nonceOf(number), ad, body);",
      to: "const sealed = kept.session.reply.seal(nonceOf(0), new Uint8Array(0), body);",
      also: [
        {
          file: `${SEAL_FOLDER}/sealed-caller.ts`,
          from: "session.reply.open(nonceOf(number), ad, reply);",
          to: "session.reply.open(nonceOf(0), new Uint8Array(0), reply);",
        },
      ],
    },
    {
      title:
        "[SEAL-8] sessions are bounded; an evicted one starts again, its open calls are answered",
      defence: "an owner keeps a bounded number of sessions",
      from: "if (this.#sessions.size >= limits.MAX_SEALED_SESSIONS) {",
      to: "if (false) {",
    },
  ]),
  ...rows(`${SEAL_FOLDER}/replay-window.test.ts`, `${SEAL_FOLDER}/replay-window.ts`, [
    {
      title: "[SEAL-3] an id is accepted once",
      defence: "a call that the bus host repeats is not done twice",
      from: 'if (this.#seen.has(key)) return "replayed";',
      to: "",
    },
    {
      title: "[SEAL-3] setting the clock back does not make room for a replay",
      defence: "ids are forgotten by a clock that nobody sets",
      from: "const now = this.#monotonicMs();\n    // What",
      to: "const now = this.#wallMs();\n    // What",
    },
    {
      title: "[SEAL-10] what may have been accepted before a restart is stale",
      defence: "a call from before a restart is not taken after it",
      from: 'if (young && uuidTimeMs(id) < this.#startedWallMs) return "stale";',
      to: "",
    },
    {
      title: "[SEAL-10] for exactly twice the window, whatever the clocks showed at the start",
      defence: "that lasts for twice the window",
      from: "const young = now - this.#startedMs <= 2 * limits.SEALED_WINDOW_MS;",
      to: "const young = now - this.#startedMs <= limits.SEALED_WINDOW_MS;",
    },
    {
      title: "[SEAL-8] the window is bounded, refuses beyond its bound, and empties with time",
      defence: "the window refuses beyond its bound instead of forgetting",
      from: 'if (this.#seen.size >= limits.MAX_SEEN_CALLS) return "full";',
      to: "",
    },
  ]),
  ...rows(
    "packages/core-ipc/src/noise/cipher-state.test.ts",
    "packages/core-ipc/src/noise/cipher-state.ts",
    [
      {
        title: "a key that was handed in is wiped",
        defence: "a session key has no copy that outlives the session",
        from: "} finally {\n      key.fill(0);",
        to: "} finally {",
      },
    ],
  ),
];
