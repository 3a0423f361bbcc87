import { rows, type Row } from "../row.ts";

const IPC = "packages/core-ipc/src";
const AUTHORITY = "packages/core-authority/src";
const E2E = "test/e2e/adversary";
const ROUTER = `${IPC}/bus/router.ts`;

/** Whoever the bus says it is, is believed. */
const BELIEVED = {
  file: `${IPC}/bus/dispatcher.ts`,
  from: "const identity = registry.byKey(opened.caller);",
  to: 'const identity = registry.byName(header.sender.name ?? "");',
} as const;

/** Anybody's answer is delivered, though its connection ends. */
const ANSWERED = {
  from: "const waiting = from.asked.get(call);",
  to: "const isOwn = from.asked.has(call);\n    const waiting =\n      from.asked.get(call) ??\n      [...this.#connections.values()].flatMap((one) => one.asked.get(call) ?? [])[0];",
  also: [
    {
      file: ROUTER,
      from: "caller.outstanding--;\n    return [\n      {",
      to: 'caller.outstanding--;\n    return [\n      ...(isOwn ? [] : [{ do: "close", connection: id, rule: "ROUTE-4" } as const]),\n      {',
    },
  ],
} as const;

/** Real daemons, real commands, and an attacker beside or between them. */
export const ADVERSARIES: readonly Row[] = [
  ...rows(`${E2E}/impostor.test.ts`, ROUTER, [
    {
      title: "[ROUTE-4] a forged answer reaches nobody, and costs the connection",
      defence: "an answer counts from the connection that was asked",
      ...ANSWERED,
      fails: "the bus closed the connection",
    },
    {
      title: "[SEAL-6] a thief that is faster than the owner of the secrets wins nothing",
      defence: "an answer to a sealed call comes from its owner's connection",
      ...ANSWERED,
    },
    {
      title: "[ROUTE-8] nobody publishes in another's name or above its clearance",
      defence: "what is refused is not published",
      from: '        this.#denial(id, header, new Denial("clearance-too-low")),\n      ];',
      to: '        this.#denial(id, header, new Denial("clearance-too-low")),\n        ...[...(this.#topics.get(topic ?? "") ?? [])].map(\n          (to) => ({ do: "deliver", to, header: { ...header, target: topic }, from: id, payload }) as const,\n        ),\n      ];',
    },
    {
      title: "[MESSAGE-2] the level that a caller writes changes nothing",
      defence: "a message marked `open` is no way past the clearance",
      from: "if (!dominates(from.sender.clearance, level) || !dominates(from.sender.clearance, row.level)) {",
      to: "if (!dominates(from.sender.clearance, header.level)) {",
    },
    {
      title: "[HANDSHAKE-3] the bus host's own key opens no connection",
      defence: "a copy of the bus host's key file speaks for nobody",
      file: `${IPC}/io/bus-server.ts`,
      from: "if (identity?.name === BUS_HOST) return null;",
      to: "",
    },
    {
      title: "[OWNER-1] nobody but a daemon writes into the audit log",
      defence: "entries come from daemons alone",
      file: `${IPC}/bus/gate.ts`,
      from: 'if (identity.kind === "daemon") return UNLIMITED;\n    throw new Denial("capability-missing");',
      to: "return UNLIMITED;",
    },
  ]),
  ...rows(`${E2E}/stranger.test.ts`, ROUTER, [
    {
      title:
        "[ROUTE-1] an unregistered client may ask for the status and to be let in, and for nothing else",
      defence: "who is not registered asks for nothing but the status, and to be let in",
      from: "if (!dominates(from.sender.clearance, level) || !dominates(from.sender.clearance, row.level)) {",
      to: "if (false) {",
    },
    {
      title: "refusals beyond sixty a minute are counted, not written one by one",
      defence: "a program without any right does not fill the disk",
      file: "packages/daemon-profile/src/audit/refusals.ts",
      from: "if (window.seen <= REFUSALS_PER_MINUTE) return true;",
      to: "if (window.seen > 0) return true;",
    },
  ]),
  ...rows(`${E2E}/replay.test.ts`, `${IPC}/seal/replay-window.ts`, [
    {
      title: "[SEAL-3] a sealed call that was overheard is worth nothing on the real bus",
      defence: "a call that was overheard is not done again",
      from: 'if (this.#seen.has(key)) return "replayed";',
      to: "",
    },
    {
      title: "[SEAL-3] a sealed call that was overheard is worth nothing on the real bus",
      defence: "a call is bound to its id, its kind and its connection",
      file: `${IPC}/seal/context.ts`,
      from: "out.set(PREFIX);\n  out.set(session, PREFIX.length);\n  out.set(id, PREFIX.length + 16);\n  out[PREFIX.length + 32] = tag >>> 8;\n  out[PREFIX.length + 33] = tag;",
      to: "out.set(PREFIX);\n  void [session, id, tag];",
      also: [
        {
          file: `${IPC}/seal/replay-window.ts`,
          from: 'if (this.#seen.has(key)) return "replayed";',
          to: "",
        },
      ],
    },
  ]),
  ...rows(`${E2E}/eavesdropper.test.ts`, ROUTER, [
    {
      title: "[ROUTE-3] a registered listener hears neither values nor names nor passwords",
      defence: "a request goes to its owner, and not to who listens",
      from: "from.outstanding++;\n    return [",
      to: 'from.outstanding++;\n    return [\n      ...[...(this.#topics.get(row.name) ?? [])].map(\n        (ear) => ({ do: "deliver", to: ear, header, from: id, payload }) as const,\n      ),',
    },
  ]),
  ...rows(`${E2E}/relay.test.ts`, `${IPC}/wire/hello.ts`, [
    {
      title: "[HELLO-3] a client refuses a bus that sees another process than itself",
      defence: "a client notices a program between itself and the bus",
      from: "if (!samePid || hello.peer.uid",
      to: "if (hello.peer.uid",
    },
    {
      title: "[HELLO-5] a relay that rewrites the hello breaks the handshake with the bus",
      defence: "a hello that was rewritten breaks the handshake",
      from: "out.set(hello, PROLOGUE.length);",
      to: "",
    },
  ]),
  ...rows(`${E2E}/compromised-host.test.ts`, `${IPC}/seal/replay-window.ts`, [
    {
      title: "a bus host that reads everything learns no value, name or password",
      defence: "the log knows a secret by a name that the vault made up",
      file: "packages/daemon-secrets/src/vault/vault.ts",
      from: "return toHex(mac.subarray(0, 8));",
      to: "return mac.length > 0 ? name : toHex(mac);",
    },
    {
      title: "[SEAL-1] a call that the host kept is accepted neither again nor changed",
      defence: "a deletion that the host repeats is not done twice",
      from: 'if (this.#seen.has(key)) return "replayed";',
      to: "",
    },
    {
      title: "[SEAL-1] a call that the host kept is accepted neither again nor changed",
      defence: "the numbers of a session grow",
      file: `${IPC}/seal/sealed-owner.ts`,
      from: "if (number <= kept.last) {",
      to: "if (false) {",
    },
    {
      title: "[SEAL-10] a call from before the owner's restart is not accepted after it",
      defence: "an owner that was crashed takes no call from before",
      from: 'if (young && uuidTimeMs(id) < this.#startedWallMs) return "stale";',
      to: "",
    },
    {
      title: "[SEAL-6] a caller refuses what the owner did not answer to this very call",
      defence: "the host plants no value",
      file: `${IPC}/io/bus-client.ts`,
      from: "if (opened === null) {",
      to: "if (opened === null) return reply;\n      if (opened === null) {",
    },
    {
      title: "[SEAL-6] two answers that the host exchanges are both refused",
      defence: "an answer is bound to its call",
      file: `${IPC}/seal/sealed-owner.ts`,
      from: "const sealed = kept.session.reply.seal(nonceOf(number), ad, body);",
      to: "const sealed = kept.session.reply.seal(nonceOf(0), new Uint8Array(0), body);",
      also: [
        {
          file: `${IPC}/seal/sealed-caller.ts`,
          from: "session.reply.open(nonceOf(number), ad, reply);",
          to: "session.reply.open(nonceOf(0), new Uint8Array(0), reply);",
        },
      ],
    },
    {
      title: "[SEAL-7] [TRUST-4] a lie about who is calling gives nobody a right",
      defence: "who calls is who proved its key to the owner",
      ...BELIEVED,
    },
    {
      title: "[APPROVE-3] a lying bus host approves nothing, and moves no approval",
      defence: "who approves is who proved its key to the owner",
      ...BELIEVED,
    },
    {
      title: "[POLICY-14] a bus host that claims another policy stops calls, and allows none",
      defence: "an owner that lacks a policy serves nobody",
      file: `${IPC}/io/policy-keeper.ts`,
      from: "return this.#seen > this.version;",
      to: "return false;",
    },
  ]),
  ...rows(`${E2E}/grants.test.ts`, `${AUTHORITY}/chain.ts`, [
    {
      title: "[AUTH-39] a lie about who is calling gives nobody the use of another's grant",
      defence: "who uses a grant is who proved its key to the owner",
      ...BELIEVED,
    },
    {
      title: "[AUTH-39] a host that clears and names its own client gives it no grant",
      defence: "clearance and kind are the record's word",
      ...BELIEVED,
    },
    {
      title: "[AUTH-25] heartbeats that the host makes up or repeats keep no grant alive",
      defence: "a heartbeat is the delegatee's own",
      file: `${AUTHORITY}/ledger.ts`,
      from: 'if (row.delegatee !== by) return "not-delegatee";\n    row.beatBootMs',
      to: "row.beatBootMs",
    },
    {
      title: "[AUTH-26] neither a kept call nor a kept grant revives what was revoked",
      defence: "what was revoked stays so when it is shown again",
      file: `${AUTHORITY}/ledger.ts`,
      from: 'return known.ended === null ? null : "replayed";',
      to: "known.ended = null;\n      return null;",
    },
    {
      title:
        "[AUTH-15] grants that were forged, changed, outlived or made elsewhere are all refused alike",
      defence: "a grant is signed by its delegator",
      from: 'if (!keys.some((key) => isSignedGrant(verifier, key, link))) return "signature-invalid";',
      to: "",
    },
    {
      title:
        "[AUTH-15] grants that were forged, changed, outlived or made elsewhere are all refused alike",
      defence: "refusals are all alike to the refused",
      file: `${IPC}/bus/gate.ts`,
      from: "super(code);",
      to: "super(code, reason);",
    },
    {
      title: "[AUTH-16] what an agent hands on is no more than it has, whatever it writes",
      defence: "a delegation does not exceed its delegator",
      from: "const scope = meet(delegable, given);",
      to: "const scope = given;",
    },
    {
      title: "[AUTH-16] what an agent hands on is no more than it has, whatever it writes",
      defence: "a grant for one profile is handed on for no other",
      from: "if (!servesProfile(authority, profile)) return",
      to: "if (authority.links < 0) return",
      also: [
        {
          file: `${AUTHORITY}/chain.ts`,
          from: "return profiles === null || (profile !== null && profiles.includes(profile));",
          to: "return profiles === null || profile !== null;",
        },
      ],
      fails: "this identity may not do that",
    },
    {
      title: "what the host withholds ends rights and gives none",
      defence: "silence ends a grant",
      file: `${AUTHORITY}/ledger.ts`,
      from: "return beatBootMs + HEARTBEAT_INTERVALS * heartbeatMs;",
      to: "return Number.POSITIVE_INFINITY;",
      fails: "never: the end without a heartbeat",
    },
  ]),
  ...rows(`${E2E}/certificates.test.ts`, `${IPC}/install/certified.ts`, [
    {
      title:
        "[ENROL-20] [ENROL-22] with a token that is spent, revoked or made up, a lying host lets nobody in",
      defence: "a token that is spent lets nobody in",
      from: 'if (token.admitted.length >= token.uses) return "token-spent";',
      to: "",
    },
    {
      title:
        "[ENROL-20] [ENROL-22] with a token that is spent, revoked or made up, a lying host lets nobody in",
      defence: "a certificate has the signature of its own new key",
      file: `${IPC}/install/certificate.ts`,
      from: "return isSigned ? certificate : null;",
      to: "return isSigned || form === 'admission' ? certificate : null;",
    },
    {
      title: "[ENROL-30] a lying host gives nobody's keys to anybody",
      defence: "new keys are signed by the present one",
      file: `${IPC}/install/certificate.ts`,
      from: "return isSigned ? certificate : null;",
      to: "return isSigned || form === 'rotation' ? certificate : null;",
    },
    {
      title: "[ENROL-25] what it passes on truly is counted by the owner itself",
      defence: "an owner counts by itself whom a token let in",
      from: 'if (token.admitted.length >= token.uses) return "token-spent";',
      to: "",
    },
  ]),
  ...rows(`${E2E}/malformed.test.ts`, `${IPC}/io/bus-server.ts`, [
    {
      title: "[TRANSPORT-5] half-open handshakes keep nobody out, and end overdue",
      defence: "of too many half-open connections one makes way",
      from: "this.#makeWay();\n    const session",
      to: "if (this.#halfOpen.size >= limits.MAX_HALF_OPEN) {\n      socket.destroy();\n      return;\n    }\n    const session",
      fails: "the bus closed the connection",
    },
  ]),
  ...rows(`${E2E}/other-user.test.ts`, `${IPC}/io/bus-server.ts`, [
    {
      title: "[TRANSPORT-3] another user of the machine gets no byte from the bus",
      defence: "another user gets no byte",
      from: "if (!uids.includes(peer.uid)) {",
      to: "if (false) {",
    },
  ]),
  ...rows(`${E2E}/deaf.test.ts`, `${IPC}/io/bus-server.ts`, [
    {
      title: "[FLOW-3] a client that never reads is cut off, and nobody waits for it",
      defence: "who takes nothing is cut off",
      from: "if (!connection.stalled(now)) continue;",
      to: "continue;",
      fails: "never: the cut",
    },
  ]),
];
