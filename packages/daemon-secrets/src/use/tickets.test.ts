import assert from "node:assert/strict";
import { test } from "node:test";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import { Denial, limits, type Command } from "@sesame/core-types";
import { Tickets, type Use } from "./tickets.ts";

const command: Command = { path: "/usr/bin/aws", args: ["s3", "ls"], directory: "/", plain: false };
const use: Use = {
  caller: "agent",
  session: new Uint8Array(16).fill(1),
  profile: "work",
  names: ["api/token"],
  command,
};
const ticketOf = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);

function issued(): Tickets<Use> {
  const tickets = new Tickets<Use>((bytes) => suite.blake2s(bytes));
  tickets.issue(ticketOf(1), use, 0);
  return tickets;
}

test("[RUN-3] a ticket is good for its caller, session and command alone", () => {
  // SECURITY: whoever overhears or is handed a ticket would run something else with the secrets.
  const others: Partial<Use>[] = [
    { caller: "other" },
    { session: new Uint8Array(16).fill(2) },
    { command: { ...command, path: "/usr/bin/sh" } },
    { command: { ...command, args: ["s3"] } },
    { command: { ...command, args: ["s3", "rm"] } },
    { command: { ...command, args: ["s3 ls"] } },
    { command: { ...command, directory: "/tmp" } },
    { command: { ...command, plain: true } },
  ];
  for (const change of others) {
    const tickets = issued();
    assert.equal(tickets.redeem(ticketOf(1), { ...use, ...change }, 1), null);
    assert.equal(tickets.redeem(ticketOf(1), use, 1), null, "a wrong try ends it");
  }
  assert.deepEqual(issued().redeem(ticketOf(1), use, 1), use);
  assert.equal(issued().redeem(ticketOf(2), use, 1), null);
});

test("[RUN-3] a ticket is taken once, and within its time", () => {
  // SECURITY: one use would become any number of runs.
  const tickets = issued();
  assert.ok(tickets.redeem(ticketOf(1), use, 1));
  assert.equal(tickets.redeem(ticketOf(1), use, 1), null);
  assert.ok(issued().redeem(ticketOf(1), use, limits.TICKET_TTL_MS - 1));
  assert.equal(issued().redeem(ticketOf(1), use, limits.TICKET_TTL_MS), null);
});

test("[RUN-23] a ticket that was asked about is good still, for the same alone", () => {
  // SECURITY: a question about a ticket would be a second use, or a way to try others' tickets.
  const tickets = issued();
  assert.ok(tickets.isGood(ticketOf(1), use, 1));
  assert.ok(tickets.isGood(ticketOf(1), use, 1));
  assert.deepEqual(tickets.redeem(ticketOf(1), use, 1), use);
  assert.ok(!tickets.isGood(ticketOf(1), use, 1));
  assert.ok(!issued().isGood(ticketOf(2), use, 1));
  assert.ok(!issued().isGood(ticketOf(1), use, limits.TICKET_TTL_MS));
  const other = issued();
  assert.ok(!other.isGood(ticketOf(1), { ...use, caller: "other" }, 1));
  assert.equal(other.redeem(ticketOf(1), use, 1), null, "a wrong try ends it");
});

test("[RUN-10] a redeemed ticket is remembered while its run is asked about", () => {
  const tickets = issued();
  assert.equal(tickets.held(ticketOf(1), 1), null, "it is not redeemed yet");
  tickets.redeem(ticketOf(1), use, 0);
  const step = limits.RUN_LEASE_MS - 1;
  assert.deepEqual(tickets.held(ticketOf(1), step), use);
  assert.ok(tickets.held(ticketOf(1), 2 * step));
  assert.equal(tickets.held(ticketOf(1), 2 * step + limits.RUN_LEASE_MS), null);
});

test("[RUN-11] there is an end to tickets", () => {
  const tickets = new Tickets<Use>((bytes) => suite.blake2s(bytes));
  const numbered = (i: number): Uint8Array => {
    const ticket = new Uint8Array(32);
    new DataView(ticket.buffer).setUint32(0, i);
    return ticket;
  };
  for (let i = 0; i < limits.MAX_TICKETS; i += 1) tickets.issue(numbered(i), use, 0);
  assert.throws(() => tickets.issue(numbered(9_999), use, 0), Denial);
  tickets.issue(numbered(9_999), use, limits.TICKET_TTL_MS);
});
