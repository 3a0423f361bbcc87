import { inFolder, rows, type Row } from "../row.ts";

const AUTHORITY = "packages/core-authority/src";
const at = inFolder(AUTHORITY);

/** Grants: what a chain gives, to whom, and until when. */
export const GRANTS: readonly Row[] = [
  ...rows(...at("chain"), [
    {
      title: "[AUTH-52] the caller's connection is trusted as far as every link demands",
      defence: "a grant that demands a minimum serves nobody who is trusted less",
      from: 'return meetsMinimum(trusted, authority.minimum) ? null : "trust-too-low";',
      to: "return null;",
    },
    {
      title: "[AUTH-52] the caller's connection is trusted as far as every link demands",
      defence: "handing on drops no minimum of the grants above",
      from: "minimum: minimum === null ? above.minimum : stricterMinimum(above.minimum, minimum),",
      to: "minimum: minimum ?? above.minimum,",
    },
    {
      title:
        "[AUTH-14] no chain at all, one that is too long, and one that is not joined are refused",
      defence: "a link draws on the one above it",
      from: 'if (grant.parent !== (parent?.id ?? null)) return "link-broken";',
      to: "",
    },
    {
      title:
        "[AUTH-14] no chain at all, one that is too long, and one that is not joined are refused",
      defence: "a link is given by whom the one above it was given to",
      from: 'if (parent !== null && grant.delegator !== parent.delegatee) return "link-broken";',
      to: "",
    },
    {
      title: "[AUTH-15] every link is signed by its delegator's pinned key, for this installation",
      defence: "nobody writes grants in another's name",
      from: 'if (!keys.some((key) => isSignedGrant(verifier, key, link))) return "signature-invalid";',
      to: "",
    },
    {
      title: "[AUTH-15] every link is signed by its delegator's pinned key, for this installation",
      defence: "a grant of another installation is none here",
      from: 'if (grant.installation !== installation) return "other-installation";',
      to: "",
    },
    {
      title: "[AUTH-15] a ledger that takes everything for alive does not make up for a signature",
      defence: "a ledger's word is no signature",
      from: "const authority = resolveChain(chain, trust, now.wallMs);\n  if (!authority.allowed) return authority;",
      to: "const authority = resolveChain(\n    chain,\n    { ...trust, verifier: { ed25519Verify: () => true } },\n    now.wallMs,\n  );\n  if (!authority.allowed) return authority;",
    },
    {
      title:
        "[AUTH-15] identities that are not enrolled or are revoked end every chain they are in",
      defence: "a revoked identity does not live on in what it handed on",
      from: 'if (delegator.revoked || delegatee.revoked) return "identity-revoked";',
      to: "",
    },
    {
      title:
        "[AUTH-16] what a chain gives is within its root, and covers only what every link covers",
      defence: "a delegation does not exceed its delegator",
      from: "const scope = meet(delegable, given);",
      to: "const scope = given;",
    },
    {
      title: "[AUTH-17] a right is handed on no more often than each grant above allows",
      defence: "what was given for oneself is not handed on",
      from: "const delegable = handOn(held);",
      to: "const delegable = held;",
    },
    {
      title: "[AUTH-20] the caller's program is the one that every link demands",
      defence: "a grant for one program serves no other",
      from: "return pointsOfUse.every((demanded) => isProgram(demanded, executable));",
      to: "return pointsOfUse.every((demanded) => demanded.path === executable?.path);",
    },
    {
      title: "[AUTH-21] only the delegatee of the leaf may use a chain",
      defence: "to have seen a grant is not to have it",
      from: 'if (caller !== authority.delegatee) return "not-delegatee";',
      to: "",
    },
    {
      title:
        "[AUTH-22] every link has to be alive in the ledger, and to be the one that is registered",
      defence: "every link is alive",
      from: "if (!standing.live) return refused(standing.reason);",
      to: "if (!standing.live && link === chain[0]) return refused(standing.reason);",
    },
    {
      title:
        "[AUTH-22] every link has to be alive in the ledger, and to be the one that is registered",
      defence: "of two grants with one id the one that is registered counts",
      file: `${AUTHORITY}/ledger.ts`,
      from: "if (known !== undefined && !equalBytes(known.signature, signature))",
      to: "if (false)",
    },
  ]),
  ...rows(...at("ledger"), [
    {
      title: "[AUTH-24] a grant ends when its time is over by either clock, whichever is first",
      defence: "setting the wall clock back prolongs nothing",
      from: "endsBootMs: this.#bootMs + left,",
      to: "endsBootMs: this.#bootMs + 1e12 + left,",
    },
    {
      title: "[AUTH-25] two intervals without a heartbeat end a grant, suspend included",
      defence: "who is gone leaves no rights behind",
      from: "return beatBootMs + HEARTBEAT_INTERVALS * heartbeatMs;",
      to: "return Number.POSITIVE_INFINITY;",
    },
    {
      title: "[AUTH-28] delegators of the chain and administrators revoke, nobody else",
      defence: "an agent does not end another's grants",
      from: 'if (!this.#mayRevoke(row, by)) return "not-permitted";\n    this.#end',
      to: "this.#end",
    },
    {
      title: "[AUTH-29] a use counts for a grant and for every one above it",
      defence: "a use is one use of every grant above",
      from: "const links = [row, ...this.#above(row)];",
      to: "const links = [row];",
    },
    {
      title: "[AUTH-30] a grant that was registered never comes back, remembered or forgotten",
      defence: "what was forgotten does not come back",
      from: "if (expiresAtMs <= this.#floorMs || grant.issuedAtMs",
      to: "if (grant.issuedAtMs",
    },
    {
      title: "[AUTH-30] a grant that was registered never comes back, remembered or forgotten",
      defence: "what has ended does not come back",
      from: 'return known.ended === null ? null : "replayed";',
      to: "known.ended = null;\n      return null;",
    },
    {
      title: "[AUTH-31] a ledger that was stored and restored behaves as before",
      defence: "a restart brings no ended grant back",
      from: "ledger.#hold({ ...record, endsBootMs",
      to: "ledger.#hold({ ...record, ended: null, endsBootMs",
    },
    {
      title: "[AUTH-32] a ledger without a past takes no grant from before it was opened",
      defence: "to delete the ledger brings no revoked grant back",
      from: " || grant.issuedAtMs < this.#openedAtMs) return",
      to: ") return",
    },
  ]),
  ...rows(`${AUTHORITY}/ledger-model.test.ts`, `${AUTHORITY}/ledger.ts`, [
    {
      title:
        "[AUTH-26] no sequence of operations, clocks and restarts makes a dead grant live again",
      defence: "with a grant ends what was given through it",
      from: 'this.#endOne(child, "parent-ended", id, by);',
      to: "",
    },
    {
      title: "[AUTH-31] a stored state and the changes since make the ledger that runs",
      defence: "an end is among the changes that are stored",
      from: "row.ended = why;\n    this.#touch(row);",
      to: "row.ended = why;",
    },
  ]),
  ...rows(...at("ledger-state"), [
    {
      title: "[AUTH-34] a state in which a grant lives without the one above it is refused",
      defence: "a state that was stitched together is none",
      from: "if (record.ended === null && !isHeld(record, byId))",
      to: "if (false)",
    },
    {
      title: "[AUTH-34] changes that no ledger wrote are refused with all the rest",
      defence: "a change undoes no end",
      from: 'if (before.ended !== null && before.ended !== change.ended) throw invalid("an end is undone");',
      to: "",
    },
  ]),
  ...rows(...at("book"), [
    {
      title: "[AUTH-52] a grant with a minimum is refused to a connection that is trusted less",
      defence: "the owner holds calls to the minimum of the grants that they draw on",
      from: "meetsMinimum(asking.trusted, authority.minimum)",
      to: "authority.minimum !== undefined",
    },
    {
      title: "[AUTH-20] a grant with a point of use is refused where the program is not known",
      defence: "where the program is not known, a grant for one is refused",
      from: "const fit = able.filter(({ authority }) => servesProgram(authority, asking.executable));",
      to: "const fit = able.filter(\n      ({ authority }) => asking.executable === null || servesProgram(authority, asking.executable),\n    );",
    },
    {
      title: "[AUTH-40] a chain is registered by the parties to its leaf, with its links",
      defence: "who overhears a grant does not start it",
      from: 'if (by !== leaf?.delegator && by !== leaf?.delegatee) return "not-permitted";',
      to: "",
    },
    {
      title: "[AUTH-42] what the record no longer bears ends, when it changes and after a restart",
      defence: "a grant that the record no longer bears ends after a restart, too",
      from: "const verdict = resolveChain(chain, trust, now.wallMs);\n      if (verdict.allowed) book",
      to: "const bears = () => ({ scope: [], signingKey: new Uint8Array(32), revoked: false });\n      const verdict = resolveChain(chain, { ...trust, party: (id) => trust.party(id) ?? bears(), verifier: { ed25519Verify: () => true } }, now.wallMs);\n      if (verdict.allowed) book",
    },
    {
      title: "[AUTH-44] grants are shown to their parties and to administrators",
      defence: "who may use what is not shown to others",
      from: "return chain.some((link) => isParty(link, viewer)) ? chain : null;",
      to: "return chain;",
    },
    {
      title: "[AUTH-44] grants are shown to their parties and to administrators",
      defence: "a list has the viewer's own grants",
      from: "const seen = admin\n",
      to: "const seen = admin || viewing !== ''\n",
    },
    {
      title: "[RUN-5] what ended by its last use holds for that use, until it is revoked",
      defence: "what runs under a last use is in reach of a revocation",
      from: "if (!this.#entries.has(id)) return this.#revokeSpent((grant) => grant.id === id, by);",
      to: "if (!this.#entries.has(id)) return false;",
    },
    {
      title: "[AUTH-31] a book is what was stored of it and the changes since",
      defence: "a revocation that is only a change is stored",
      from: "const changes = encodeBook(this.#ledger.takeChanges(),",
      to: "this.#ledger.takeChanges();\n    const changes = encodeBook(this.#ledger.takeChanges(),",
    },
    {
      title:
        "[AUTH-42] another record is checked against the chains of whom it says something else",
      defence: "who was revoked keeps nothing",
      from: "if (!isConcerned(chain)) continue;",
      to: "continue;",
    },
    {
      title:
        "[AUTH-46] a program matters where a grant with a point of use could serve, and only there",
      defence: "a program is asked for where a grant demands one",
      from: "pointsOfUse.length > 0 &&\n        (names === null",
      to: "pointsOfUse.length > 1 &&\n        (names === null",
    },
    {
      title: "[PANIC-2] ending all leaves nothing that holds, also of what is still being used",
      defence: "a panic ends what runs under a last use",
      from: "this.#settle(now);\n    this.#spent.clear();",
      to: "this.#settle(now);",
    },
    {
      title:
        "[RUN-5] what is used for the last time holds no longer than what it was given through",
      defence: "a last use ends with the grant above it",
      from: "if (chain.some(({ grant }) => grant.id === ended)) this.#spent.delete(id);",
      to: "void [id, chain, ended];",
    },
    {
      title: "[AUTH-28] what is used for the last time is revoked by those above it alone",
      defence: "not anybody stops what others run",
      from: 'if (!meant.every(isPermitted)) return "not-permitted";',
      to: "void isPermitted;",
    },
    {
      title: "[AUTH-42] one party of a long chain is enough to go through it again",
      defence: "every party of a chain is looked at when the record changes",
      from: "chain.some(({ grant }) => isOther(grant.delegator) || isOther(grant.delegatee));",
      to: "chain.every(({ grant }) => isOther(grant.delegator) || isOther(grant.delegatee));",
    },
  ]),
  ...rows(...at("command"), [
    {
      title: "[AUTH-36] a command is admitted by path, directory and each argument",
      defence: "another program is another command",
      from: "rule.path === command.path &&",
      to: "",
    },
    {
      title: "[AUTH-36] a command is admitted by path, directory and each argument",
      defence: "another argument is another command",
      from: 'return fixed.every((pattern, i) => takesArgument(pattern, args[i] ?? ""));',
      to: "return fixed.every((pattern, i) => pattern.length + i >= 0 && takesArgument('*', ''));",
    },
    {
      title: "[AUTH-36] a wildcard at the beginning takes no option",
      defence: "an option does not pass for a file's name",
      from: 'if (tokens[0] === ANY_RUN && argument.startsWith("-")) return false;',
      to: "",
    },
    {
      title: "[AUTH-37] every grant that limits commands has to admit the command",
      defence: "each grant of a chain has to admit a command",
      from: "if (fitting.length === 0) return null;",
      to: "if (fitting.length === 0) continue;",
    },
    {
      title: "[AUTH-38] unredacted output needs every grant to say so",
      defence: "nobody lifts the redaction that it is under itself",
      file: `${AUTHORITY}/chain.ts`,
      from: "if (command.plain && commands.length < links) return null;",
      to: "void links;",
    },
    {
      title:
        "[AUTH-36] what stands for any further arguments stands for none that is named before it",
      defence: "an argument that binds a program is there",
      from: "if (open ? args.length < fixed.length : args.length !== fixed.length) return false;",
      to: "if (!open && args.length !== fixed.length) return false;",
      also: [
        {
          file: `${AUTHORITY}/command.ts`,
          from: 'return fixed.every((pattern, i) => takesArgument(pattern, args[i] ?? ""));',
          to: "return args.every((arg, i) => fixed[i] === undefined || takesArgument(fixed[i], arg));",
        },
      ],
    },
  ]),
  ...rows(...at("grant"), [
    {
      title: "[AUTH-51] a grant has a minimum and is of version 2, or has none and is of version 1",
      defence: "a grant with a minimum is nothing that an older reader takes for one without",
      from: "return minimum === null ? 1 : 2;",
      to: "return minimum === null ? 1 : (1 as 2);",
    },
    {
      title: "[AUTH-11] a grant with any byte changed is refused",
      defence: "every byte of a grant is signed",
      from: "return concat(PREFIX, bodyBytes(grant));",
      to: "return concat(PREFIX, bodyBytes({ ...grant, scope: [], profiles: null }));",
    },
    {
      title: "[AUTH-11] signatures of other statements do not sign a grant, nor its signature them",
      defence: "a statement begins with what it is",
      from: "return concat(PREFIX, bodyBytes(grant));",
      to: "return bodyBytes(grant);",
    },
    {
      title: "[AUTH-11] a scope that the delegatee widened and signed itself is refused",
      defence: "the delegatee's own key signs nothing for it",
      from: "return verifier.ed25519Verify(publicKey, grantStatement(grant), signature);",
      to: "return publicKey.length === signature.length / 2 && verifier !== null && grantStatement(grant).length > 0;",
    },
  ]),
  ...rows(`${AUTHORITY}/scope.test.ts`, `${AUTHORITY}/scope.ts`, [
    {
      title: "[AUTH-4] the meet covers exactly what both cover, whatever is asked",
      defence: "the meet of two scopes keeps both their patterns",
      from: "patterns: [...a.patterns, ...b.patterns],",
      to: "patterns: a.patterns.length > 0 ? [...a.patterns] : [...b.patterns],",
    },
    {
      title:
        "[AUTH-6] within is never claimed wrongly, holds for every meet, and the meet is monotone",
      defence: "a right is not within another that may be handed on less often",
      from: "a.depth <= b.depth &&",
      to: "",
    },
    {
      title:
        "[AUTH-6] within is never claimed wrongly, holds for every meet, and the meet is monotone",
      defence: "a pattern implies another if all that it matches is matched",
      file: `${AUTHORITY}/pattern.ts`,
      from: 'return outer.every((glob, i) => fits(glob, inner[i] ?? ""));',
      to: "return true;",
    },
  ]),
];
