import assert from "node:assert/strict";
import { test } from "node:test";
import { Home, PASSWORD } from "../../helpers/home.ts";
import { eventually } from "../../helpers/eventually.ts";
import { memoryContains } from "../../helpers/process-memory.ts";

const ROUNDS = 100;
const LOOK_EVERY = 40;

/** As the bytes of a payload, and as a string of the JavaScript engine may lie in memory. */
function shapes(text: string): readonly Buffer[] {
  return [Buffer.from(text, "utf8"), Buffer.from(text, "utf16le")];
}

// ptrace(2): elsewhere a user's processes may not look at each other, either.
const skip = process.getuid?.() === 0 ? false : "only root may always read another process";

test(
  "no value, password or secret name is ever in the memory of the bus host",
  { skip },
  async () => {
    // SECURITY: whoever takes over the bus host, or reads its memory, would have every secret.
    await using home = await Home.ready([{ name: "talker" }]);
    const host = home.pidOf("daemon-profile");
    const operator = await home.connect();
    const talker = await home.connect("talker");
    const [name, value, wrong] = ["name-8d1f0c", "value-77ab3e", "password-4c20d9"] as const;
    const topic = "for/all";
    const profile = "default";
    const inClear = Buffer.from("for everybody, over and over");
    const needles = [inClear, ...[name, value, wrong, PASSWORD].flatMap(shapes)];
    let heard = 0;
    await operator.subscribe(topic, () => heard++);

    const looks: Set<number>[] = [];
    for (let i = 1; i <= ROUNDS; i++) {
      const given = { profile, name: `${i}/${name}/${i}` };
      await operator.call("secret.set", { ...given, value: Buffer.from(`${i} ${value} ${i}`) });
      await operator.call("secret.get", given);
      await operator.call("secret.list", { profile });
      talker.publish(topic, inClear);
      await talker.drained();
      if (i % LOOK_EVERY !== 0) continue;
      await operator.call("vault.lock", { profile });
      await operator.call("vault.unlock", { profile, password: Buffer.from(PASSWORD) });
      looks.push(memoryContains(host, needles));
    }
    await operator.call("vault.lock", { profile });
    const rejected = operator.call("vault.unlock", { profile, password: Buffer.from(wrong) });
    await assert.rejects(rejected, /wrong password/);
    await eventually("the topic", () => heard === ROUNDS);
    looks.push(memoryContains(host, needles));

    assert.ok(looks.at(-1)?.has(0), "what passed in clear is found, so the search works");
    for (const found of looks) {
      const secrets = [...found].filter((i) => i > 0).map((i) => needles[i]?.toString());
      assert.deepEqual(secrets, []);
    }
    await operator.close();
    await talker.close();
  },
);
