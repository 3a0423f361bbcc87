import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { recorded } from "../helpers/audit-log.ts";
import { eventually } from "../helpers/eventually.ts";
import { Home, PASSWORD } from "../helpers/home.ts";

type Made = {
  id: string;
  scope: string;
  effective: string;
  warnings: string[];
  endsMs: number;
  usesLeft: number | null;
};
type Listed = { grants: { id: string; from: string; to: string; usesLeft: number | null }[] };

const DENIED = 77;
const USAGE = 64;
const NOT_FOUND = 66;

let home: Home;

before(async () => {
  home = await Home.ready([
    { name: "ci", clearance: "secrets-only", capabilities: ["profile-list"] },
    { name: "bot", kind: "ai", clearance: "secrets-only", capabilities: ["profile-list"] },
    { name: "low", capabilities: ["profile-list"] },
  ]);
  home.must(["secret", "set", "ci/token"], "the token");
  home.must(["secret", "set", "prod/key"], "the key");
});

after(async () => home[Symbol.asyncDispose]());

const create = (to: string, scope: string, ...more: string[]): Made =>
  home.json(["grant", "create", "--to", to, "--scope", scope, ...more]) as Made;
const listed = (as = "operator"): Listed["grants"] =>
  (home.json(["--as", as, "grant", "list"]) as Listed).grants;
const get = (as: string, name: string) => home.run(["--as", as, "secret", "get", name]);

test("after `grant create` its holder simply works, and not a bit further", () => {
  assert.equal(get("ci", "ci/token").exit, DENIED);
  const made = create("ci", "secret-read:ci/*");
  assert.equal(get("ci", "ci/token").out, "the token");
  assert.equal(get("ci", "prod/key").exit, DENIED);
  const env = home.run(["--as", "ci", "env", "--", "sh", "-c", 'echo "$CI_TOKEN:$PROD_KEY"']);
  assert.equal(env.out, "the token:\n");
  assert.deepEqual(
    listed().map(({ id, from, to }) => [id, from, to]),
    [[made.id, "operator", "ci"]],
  );
  assert.match(home.must(["grant", "show", made.id]), /Together: secret-read:ci\/\*/);
  assert.match(home.must(["grant", "revoke", made.id]), /^Ended/);
  assert.match(home.must(["grant", "revoke", made.id]), /^Nothing was alive/);
  assert.equal(get("ci", "ci/token").exit, DENIED);
  assert.deepEqual(listed(), []);
});

test("a grant that was signed before its delegator had new keys works, and is shown as it works", () => {
  const made = create("ci", "secret-read:ci/*");
  home.must(["agent", "rotate", "operator"], `${PASSWORD}\n`);
  assert.equal(get("ci", "ci/token").out, "the token");
  assert.match(home.must(["grant", "show", made.id]), /Together: secret-read:ci\/\*/);
  home.must(["grant", "revoke", made.id]);
});

test("[RUN-1] a grant of secret-use says which command, and that one alone can be run", () => {
  // SECURITY: a grant without a command would let an agent print whatever it may only use.
  const grant = ["grant", "create", "--to", "bot", "--scope", "secret-use:ci/*"];
  const vague = home.run(grant);
  assert.equal(vague.exit, USAGE);
  assert.match(vague.err, /which command may be run/);
  const script = 'echo "it is $CI_TOKEN, $1"';
  const made = home.must([...grant, "--", "/bin/sh", "-c", script, "sh", "nr *"]);
  assert.match(made, /\nto run: \/bin\/sh -c /);
  const run = (...args: string[]) =>
    home.run(["--as", "bot", "run", "--only", "ci/token", "--", "/bin/sh", "-c", ...args]);
  const { exit, out } = run(script, "sh", "nr 1");
  assert.equal(exit, 0);
  assert.match(out, /^it is .+, nr 1\n$/);
  assert.ok(!out.includes("the token"));
  assert.equal(run(script, "sh", "1").exit, DENIED);
  assert.equal(run('echo "$CI_TOKEN" | rev').exit, DENIED);
  const [id = ""] = listed().map((one) => one.id);
  assert.match(home.must(["grant", "show", id]), new RegExp(`${id} runs: /bin/sh -c `));
  home.must(["grant", "revoke", id]);
  assert.equal(run(script, "sh", "nr 1").exit, DENIED);
});

test("terms are what the flags say, and what has no flag has its default", () => {
  const made = create(
    "ci",
    "secret-read:ci/*",
    "--ttl",
    "1h30m",
    "--heartbeat",
    "90s",
    "--max-uses",
    "2",
    "-p",
    "default",
    "--depth",
    "1",
  );
  assert.equal(made.scope, "secret-read:ci/*+1");
  assert.equal(made.usesLeft, 2);
  assert.ok(Math.abs(made.endsMs - Date.now() - 90 * 60_000) < 60_000);
  assert.equal(get("ci", "ci/token").exit, 0);
  assert.deepEqual(
    listed().map(({ usesLeft }) => usesLeft),
    [1],
  );
  assert.equal(home.run(["--as", "ci", "secret", "get", "-p", "other", "ci/token"]).exit, DENIED);
  home.must(["grant", "revoke", made.id]);
  const short = create("bot", "secret-list");
  assert.ok(short.endsMs - Date.now() <= 15 * 60_000, "an ai has a quarter of an hour");
  home.must(["grant", "revoke", "--identity", "bot"]);
  assert.deepEqual(listed(), []);
});

test("[AUTH-52] a grant with a minimum serves while daemons keep their keys as well, also renewed", () => {
  // SECURITY: a renewed grant that forgot its minimum would serve where the first did not.
  const { trust } = home.json(["trust", "show"]) as { trust: { posture: number } };
  const met = create("ci", "secret-read:ci/*", "--min-posture", `${trust.posture}%`);
  assert.deepEqual(met.warnings, []);
  assert.equal(get("ci", "ci/token").out, "the token");
  assert.match(
    home.must(["grant", "show", met.id]),
    new RegExp(`${met.id} only with a posture of ${trust.posture} %, or better`),
  );
  home.must(["grant", "revoke", met.id]);

  const demand = ["--min-posture", `${trust.posture + 1}`, "--min-authentication", "key"];
  const unmet = create("ci", "secret-read:ci/*", ...demand);
  assert.match(unmet.warnings.join(), new RegExp(`the posture is ${trust.posture} % now`));
  assert.equal(get("ci", "ci/token").exit, DENIED);
  assert.match(
    home.must(["grant", "show", unmet.id]),
    /only with authentication key and a posture of \d+ %, or better/,
  );
  const renewed = home.json(["grant", "renew", unmet.id]) as Made & { minimum: unknown };
  assert.deepEqual(renewed.minimum, { authentication: "key", posture: trust.posture + 1 });
  assert.equal(get("ci", "ci/token").exit, DENIED);
  home.must(["grant", "revoke", renewed.id]);

  for (const wrong of [
    ["--min-posture", "101"],
    ["--min-posture", "much"],
  ])
    assert.equal(
      home.run(["grant", "create", "--to", "ci", "--scope", "secret-list", ...wrong]).exit,
      USAGE,
    );
  const proof = ["--min-authentication", "passport"];
  const wrong = home.run(["grant", "create", "--to", "ci", "--scope", "secret-list", ...proof]);
  assert.equal(wrong.exit, USAGE);
  assert.match(wrong.err, /one of none, key, key-and-pid/);
});

test("an agent hands on what it may, and hears why where it may not", () => {
  const above = create("ci", "secret-read:ci/*", "--depth", "1");
  const give = (...more: string[]) =>
    home.run([
      "--as",
      "ci",
      "grant",
      "create",
      "--to",
      "bot",
      "--scope",
      "secret-read",
      "--json",
      ...more,
    ]);
  const unfounded = give();
  assert.equal(unfounded.exit, DENIED);
  assert.match(unfounded.err, /nothing that may be handed on.*--parent/s);
  const made = give("--parent", above.id);
  assert.equal((JSON.parse(made.out) as Made).effective, "secret-read:ci/*");
  assert.equal(get("bot", "ci/token").out, "the token");
  assert.equal(get("bot", "prod/key").exit, DENIED);
  assert.equal(listed("ci").length, 2);
  assert.equal(listed("bot").length, 1);
  home.must(["grant", "revoke", above.id]);
  assert.equal(get("bot", "ci/token").exit, DENIED);
});

test("a grant is registered with every daemon that answers something of it", () => {
  const made = create("low", "secret-list audit-read");
  assert.equal(home.run(["--as", "low", "secret", "list"]).exit, 0);
  assert.equal(home.run(["--as", "low", "audit", "checkpoint"]).exit, 0);
  assert.equal(listed().length, 1, "shown once");
  home.must(["grant", "revoke", made.id]);
  assert.equal(home.run(["--as", "low", "secret", "list"]).exit, DENIED);
  assert.equal(home.run(["--as", "low", "audit", "checkpoint"]).exit, DENIED);
});

test("renewing goes on with the same terms, and ends the old grant", () => {
  const old = create("ci", "secret-read:ci/*", "--max-uses", "5", "--heartbeat", "2m");
  assert.equal(get("ci", "ci/token").exit, 0);
  const made = home.json(["grant", "renew", old.id]) as Made;
  assert.notEqual(made.id, old.id);
  assert.deepEqual(
    listed().map(({ id, usesLeft }) => [id, usesLeft]),
    [[made.id, 5]],
  );
  assert.equal(get("ci", "ci/token").exit, 0);
  home.must(["grant", "revoke", made.id]);
});

test("a clearance that cannot carry what is granted is said aloud", () => {
  const made = create("low", "secret-read:ci/* secret-list");
  assert.deepEqual(made.warnings, [
    "low is cleared for internal and cannot use secret-read, which takes secrets-only",
  ]);
  home.must(["grant", "revoke", made.id]);
});

test("mistakes are named with their remedy", () => {
  const cases: [string[], number, RegExp][] = [
    [["create", "--scope", "secret-list"], USAGE, /--to is missing/],
    [["create", "--to", "nobody", "--scope", "secret-list"], NOT_FOUND, /no identity nobody/],
    [["create", "--to", "ci", "--scope", "secret-eat"], USAGE, /secret-eat.*names no capability/s],
    [
      ["create", "--to", "ci", "--scope", "secret-list", "--ttl", "25h"],
      USAGE,
      /at most 1440 minutes/,
    ],
    [["create", "--to", "ci", "--scope", "secret-list", "--ttl", "soon"], USAGE, /--ttl/],
    [["create", "--to", "operator", "--scope", "secret-list"], DENIED, /twice in the chain/],
    [["show", "no-such-grant"], DENIED, /may not/],
    [["revoke"], USAGE, /one grant/],
  ];
  for (const [words, exit, text] of cases) {
    const ran = home.run(["grant", ...words]);
    assert.equal(ran.exit, exit, `${words.join(" ")}: ${ran.err}`);
    assert.match(ran.err, text);
  }
});

test("`grant hold` keeps a grant alive while a command runs, with its exit code", async () => {
  const made = create("ci", "secret-read:ci/*", "--heartbeat", "1s");
  const script = `while [ ! -e "${home.path}/go" ]; do sleep 0.1; done; exit 7`;
  const child = home.start(["--as", "ci", "grant", "hold", "--", "sh", "-c", script]);
  const silent = create("bot", "secret-list", "--heartbeat", "1s");
  await recorded(
    home,
    "the end of the one that nobody holds",
    ({ action, object }) =>
      action === "grant.end" && (object ?? "").startsWith(`grant:${silent.id} `),
  );
  assert.equal(get("ci", "ci/token").exit, 0, "longer than two intervals");
  spawnSync("touch", [`${home.path}/go`]);
  const [code] = (await once(child, "exit")) as [number];
  assert.equal(code, 7);
  await eventually("the end without heartbeats", () => listed().every(({ id }) => id !== made.id));
});

test("`grant hold` says so when there is nothing to hold, and ends with what it holds", async () => {
  const nothing = home.run(["--as", "ci", "grant", "hold"]);
  assert.equal(nothing.exit, NOT_FOUND);
  assert.match(nothing.err, /no grant to hold/);
  const made = create("ci", "secret-list", "--heartbeat", "1s");
  const child = home.start(["--as", "ci", "grant", "hold", "--json"]);
  let [said, noted] = ["", ""];
  child.stdout?.on("data", (chunk: Buffer) => (said += chunk.toString()));
  child.stderr?.on("data", (chunk: Buffer) => (noted += chunk.toString()));
  await eventually("the first heartbeat", () => noted.includes("holding 1"));
  home.must(["grant", "revoke", made.id]);
  const [code] = (await once(child, "exit")) as [number];
  assert.equal(code, 0);
  assert.deepEqual(JSON.parse(said), { held: [made.id], ended: [made.id] });
});

test("a program that uses the client library holds its grants across a restart of the owner", async () => {
  const made = create("ci", "secret-list", "--heartbeat", "10s");
  const example = fileURLToPath(new URL("../../examples/holder.ts", import.meta.url));
  const { stdout, stderr, status } = spawnSync(process.execPath, ["--no-warnings", example, "ci"], {
    env: home.env,
    encoding: "utf8",
  });
  assert.equal(status, 0, stderr);
  assert.equal(stdout, "grants: 1\nsecrets: ci/token, prod/key\n");
  const child = home.start(["--as", "ci", "grant", "hold"]);
  let said = "";
  child.stderr?.on("data", (chunk: Buffer) => (said += chunk.toString()));
  await eventually("the first heartbeat", () => said.includes("holding 1"));
  process.kill(home.pidOf("daemon-secrets"), "SIGKILL");
  await eventually("the owner to be back", () => listed().some(({ id }) => id === made.id));
  child.kill("SIGINT");
  const [code] = (await once(child, "exit")) as [number];
  assert.equal(code, 0);
  assert.ok(!said.includes("has ended"), said);
  home.must(["grant", "revoke", made.id]);
});
