import { rows, type Row } from "../row.ts";

const IPC = "packages/core-ipc/src";

/** Who is at the other end: handshake, hello, frames, and the bus's sockets. */
export const WIRE: readonly Row[] = [
  ...rows(`${IPC}/noise/handshake-hostile.test.ts`, `${IPC}/noise/handshake.ts`, [
    {
      title: "[HANDSHAKE-1] message 1 with any bit flipped is refused",
      defence: "all that message 1 says is authentic",
      file: `${IPC}/noise/symmetric-state.ts`,
      from: "if (!this.#cipher.openInto(out, this.#hash, text)) return null;",
      to: "this.#cipher.openInto(out, this.#hash, text);",
    },
    {
      title: "[HANDSHAKE-2] message 2 with any bit flipped is refused",
      defence: "all that message 2 says is authentic",
      file: `${IPC}/noise/symmetric-state.ts`,
      from: "if (!this.#cipher.openInto(out, this.#hash, text)) return null;",
      to: "this.#cipher.openInto(out, this.#hash, text);",
    },
    {
      title: "[HELLO-5] another prologue is refused",
      defence: "the keys are bound to the processes that the kernel saw",
      from: "this.#symmetric.mixHash(options.prologue);",
      to: "",
    },
    {
      title: "[HANDSHAKE-2] a message for another responder is refused by this one",
      defence: "the responder proves the key that the initiator knows",
      file: `${IPC}/noise/symmetric-state.ts`,
      from: "if (!this.#cipher.openInto(out, this.#hash, text)) return null;",
      to: "this.#cipher.openInto(out, this.#hash, text);",
      also: [
        {
          file: `${IPC}/noise/handshake.ts`,
          from: 'cause.code === "low-order-point") return false;',
          to: 'cause.code === "low-order-point") return true;',
        },
      ],
    },
    {
      title: "[HANDSHAKE-6] each side speaks in its turn, and splits once",
      defence: "each side speaks in its turn",
      from: "if (tokens === undefined || mine !== writing)",
      to: "if (tokens === undefined)",
      fails: "not this side's turn in the handshake",
    },
    {
      title: "[HANDSHAKE-6] each side speaks in its turn, and splits once",
      defence: "a handshake is split once",
      from: "this.#forget();\n    this.#turn = Number.NaN;\n    return",
      to: "this.#forget();\n    return",
    },
  ]),
  ...rows(`${IPC}/noise/respond.test.ts`, `${IPC}/noise/respond.ts`, [
    {
      title: "[KEYS-20] a message costs one X25519 for each key that it is not for",
      defence: "a stranger's message costs little",
      from: "if (found !== null || !statics.refresh()) return found;",
      to: "if (found !== null) return found;\n  statics.refresh();",
    },
  ]),
  ...rows(`${IPC}/wire/hello.test.ts`, `${IPC}/wire/hello.ts`, [
    {
      title: "[HELLO-3] a client notices that the bus sees another process",
      defence: "a client notices a relay by its pid",
      from: "if (!samePid || hello.peer.uid",
      to: "if (hello.peer.uid",
    },
  ]),
  ...rows(`${IPC}/wire/session.test.ts`, `${IPC}/wire/session.ts`, [
    {
      title: "[HANDSHAKE-2] a bus without the installation's bus key is refused",
      defence: "a client says nothing to a bus without the pinned key",
      from: 'if (payload === null)\n      throw new Violation("HANDSHAKE-2", "the bus does not hold the installation\'s bus key");',
      to: "if (payload === null) return;",
    },
    {
      title: "[HELLO-3] a relayed handshake ends at the hello",
      defence: "a client looks at the hello before it sends a byte",
      from: "checkHello(this.#hello, own, pidNamespace);",
      to: "void [checkHello, own, pidNamespace];",
    },
    {
      title: "[HELLO-5] a hello that was altered on the way does not lead to a session",
      defence: "the hello's bytes are bound by the handshake",
      file: `${IPC}/wire/hello.ts`,
      from: "out.set(hello, PROLOGUE.length);",
      to: "",
    },
    {
      title: "[FRAME-1] a server takes no large frame before it knows the client",
      defence: "a stranger cannot make the bus hold large frames",
      from: "readonly #options: ServerSessionOptions;\n  readonly #splitter = new FrameSplitter(limits.MAX_HANDSHAKE_BYTES);",
      to: "readonly #options: ServerSessionOptions;\n  readonly #splitter = new FrameSplitter(limits.MAX_NOISE_BYTES);",
    },
    {
      title: "[HANDSHAKE-3] a key that is refused gets no answer",
      defence: "a refused key is told nothing",
      from: 'if (welcome === null) throw new Violation("HANDSHAKE-3", "this key was revoked");',
      to: "if (welcome === null) return framed(handshake.write(NO_PAYLOAD));",
    },
  ]),
  ...rows(`${IPC}/wire/frame.test.ts`, `${IPC}/wire/frame.ts`, [
    {
      title:
        "[FRAME-1] a length is refused as soon as its four bytes are there, and nothing is kept",
      defence: "a length that is too large is refused before anything is kept for it",
      from: "if (length === 0 || length > this.#maxBytes)",
      to: "if (length === 0)",
    },
  ]),
  ...rows(`${IPC}/wire/channel.test.ts`, `${IPC}/wire/channel.ts`, [
    {
      title: "[FRAME-4] the largest envelope passes, a larger one is refused by what it announces",
      defence: "an envelope has a largest size",
      from: "if (length > this.#maxEnvelope)",
      to: "if (false)",
    },
    {
      title: "[FRAME-2] frames that are damaged, cut, repeated, left out or swapped are refused",
      defence: "every frame is authentic, in its place",
      from: "if (!this.#transport.receive.openInto(plaintext, EMPTY, frame))",
      to: "if (!this.#transport.receive.openInto(plaintext, EMPTY, frame) && plaintext.length < 1)",
    },
    {
      title: "[FRAME-4] memory follows what arrived, not what was announced",
      defence: "small pieces of a large envelope are refused",
      from: "if (plaintext.length < limits.MAX_FRAME_PLAINTEXT)",
      to: "if (false)",
    },
    {
      title: "[FRAME-5] a peer that does not rekey is refused",
      defence: "the use of a key has an end",
      from: "if (this.#transport.receive.count >= limits.REKEY_AFTER_MESSAGES + 1)",
      to: "if (false)",
    },
    {
      title: "[FRAME-6] after its end a channel neither takes nor gives",
      defence: "frames behind a violation reach no keys that are gone",
      from: "receive(frame: Uint8Array, take: (envelope: Uint8Array) => void): void {\n    if (this.#ended) return;",
      to: "receive(frame: Uint8Array, take: (envelope: Uint8Array) => void): void {",
      fails: "the key was destroyed",
    },
  ]),
  ...rows(`${IPC}/io/bus.test.ts`, `${IPC}/io/bus-server.ts`, [
    {
      title: "[TRUST-6] [TRUST-3] the delegation is the deepest that a ledger has, and follows it",
      defence: "rights that went through many hands show, wherever they are registered",
      from: "const told = [...this.#connections.values()].map(({ depths }) => depths);",
      to: "const told: Depths[] = [];",
    },
    {
      title: "[TRUST-6] of a daemon that tells without end a bounded part is kept",
      defence: "a daemon that was taken over does not fill the memory of the bus",
      from: "else if (depths.size < limits.MAX_DEPTHS_KEPT || depths.has(identity))",
      to: "else",
    },
    {
      title: "[HANDSHAKE-4] a client is what its key says, and unregistered without one",
      defence: "who has no registered key has no clearance",
      from: 'return { name: null, kind: null, clearance: "open", session };',
      to: 'return { name: null, kind: null, clearance: "internal", session };',
    },
    {
      title: "[HELLO-4] every connection has a session of its own",
      defence: "calls that were sealed for one connection are worth nothing on another",
      from: "session: randomFillSync(new Uint8Array(16)),\n      },",
      to: "session: new Uint8Array(16),\n      },",
    },
    {
      title: "[HANDSHAKE-3] the bus host's own key is refused to clients",
      defence: "nobody else speaks for the bus host",
      from: "if (identity?.name === BUS_HOST) return null;",
      to: "",
    },
    {
      title: "[TRANSPORT-3] other users are closed before a byte is said",
      defence: "another user does not even get the hello",
      from: "if (!uids.includes(peer.uid)) {",
      to: "if (false) {",
    },
    {
      title: "[TRANSPORT-4] a client refuses a socket that belongs to another user",
      defence: "a client does not speak to another user's socket",
      file: `${IPC}/io/bus-client.ts`,
      from: "if (owner !== undefined && !trusted.includes(owner))",
      to: "if (false)",
    },
    {
      title: "[TRANSPORT-5] of too many half-open connections the oldest makes way",
      defence: "connections that never authenticate are bounded",
      from: "this.#makeWay();\n    const session",
      to: "const session",
    },
    {
      title: "[LIMIT-1] unregistered connections are counted, registered ones pass them",
      defence: "unregistered connections are bounded",
      from: "if (identity === null) this.#open++;",
      to: "",
    },
    {
      title: "[ROUTE-4] an answer that nobody asked for closes its connection in mid-stream",
      defence: "what follows a violation in the same read reaches no keys that are gone",
      file: `${IPC}/wire/channel.ts`,
      from: "receive(frame: Uint8Array, take: (envelope: Uint8Array) => void): void {\n    if (this.#ended) return;",
      to: "receive(frame: Uint8Array, take: (envelope: Uint8Array) => void): void {",
      fails: "the key was destroyed",
    },
    {
      title:
        "[TRUST-1] the vector says what the bus saw of each connection, not what its client says",
      defence: "who is not registered has no trust",
      from: "if (identity === null) return { ...NO_TRUST, posture: this.#posture };",
      to: "",
    },
    {
      title: "[TRUST-2] [TRUST-3] the posture is that of the worst daemon that serves",
      defence: "one daemon with readable keys lowers everybody's posture",
      from: "const posture = Math.min(...postures);",
      to: "const posture = Math.max(...postures);",
      fails: "a posture of 0 %",
    },
    {
      title:
        "[ENVELOPE-3] the largest envelope of a hostile sender does not cost the receiver its connection",
      defence: "a receiver takes the header that the bus adds",
      file: `${IPC}/wire/session.ts`,
      from: "limits.MAX_ENVELOPE_BYTES + MAX_HEADER_BYTES,",
      to: "limits.MAX_ENVELOPE_BYTES,",
    },
    {
      title: "[SEAL-6] an answer in the owner's place is refused by the caller",
      defence: "an answer that the owner did not seal is no answer",
      file: `${IPC}/io/bus-client.ts`,
      from: "if (opened === null) {",
      to: "if (opened === null) return reply;\n      if (opened === null) {",
    },
    {
      title: "[RUN-21] the launcher's word is believed of a connection that is still there",
      defence: "what the launcher says of a pid counts while its process lives",
      from: "if (!connection.alive) return known;",
      to: "",
    },
  ]),
  ...rows(`${IPC}/io/files.test.ts`, `${IPC}/io/files.ts`, [
    {
      title: "[TRANSPORT-1] a directory that others may enter is refused",
      defence: "the socket's directory is its owner's alone",
      from: "if ((mode & 0o077) !== 0)",
      to: "if (false)",
    },
    {
      title: "[TRANSPORT-1] what others than root may change is not root's",
      defence: "what root has to own, others may not write",
      from: "if (found.uid !== 0 || link || (found.mode & 0o022) !== 0)",
      to: "if (found.uid !== 0 || link)",
    },
    {
      title: "nothing but a file is read, and no pipe is waited for",
      defence: "a pipe in the place of a file holds nobody up",
      from: "if ((mode & constants.S_IFMT) !== constants.S_IFREG)",
      to: "if (false)",
    },
  ]),
  ...rows(`${IPC}/io/panic-mark.test.ts`, `${IPC}/io/panic-mark.ts`, [
    {
      title: "[PANIC-3] whatever is there is a mark; what cannot be looked at is an error",
      defence: "a mark that is damaged is a mark still",
      from: "lstatSync(path, { throwIfNoEntry: false }) !== undefined;",
      to: "(lstatSync(path, { throwIfNoEntry: false })?.size ?? 0) > 0;",
    },
  ]),
];
