// Texts of any length that come with failures and orders: what is kept of them, and that all that is kept can be
// asked for.
import { describe, expect, it } from "vitest";
import { offset } from "../message/brands.ts";
import { utf8Bytes } from "../message/text.ts";
import { topicSpec } from "../message/topic.ts";
import { BINARY_MAGIC } from "../protocol/binary-codec.ts";
import { ByteWriter } from "../protocol/byte-writer.ts";
import type { ClientFrame } from "../protocol/frames.ts";
import { binaryCodec, type Codec, jsonCodec } from "../protocol/index.ts";
import type { Answers, AsideListed } from "../protocol/questions.ts";
import { FAILURES_BYTES_MAX } from "../subscription/failure-texts.ts";
import { BrokerBench, type TestClient } from "./broker.fixture.ts";

const OF = { topic: "t", group: "g" };
const CODECS: readonly Codec[] = [binaryCodec, jsonCodec];
/** The frame as a client sends it that cuts nothing. */
function uncut(codec: Codec, frame: ClientFrame): Uint8Array {
  if (codec.name === "json") return new TextEncoder().encode(JSON.stringify([frame]));
  const to = new ByteWriter();
  to.byte(BINARY_MAGIC);
  to.byte(0);
  to.plainWithLength(frame);
  return to.finish();
}
async function list(client: TestClient, limit: number): Promise<readonly AsideListed[]> {
  const found: AsideListed[] = [];
  for (let after: string | null = null; ; ) {
    const request = client.next();
    await client.say({ type: "ask", request, question: { kind: "aside.list", ...OF, after, limit } });
    expect(client.all("refused")).toEqual([]);
    const page = client.last("answer").answer as Answers["aside.list"];
    expect(page.entries.length).toBeGreaterThan(0);
    found.push(...page.entries);
    if (page.next === null) return found;
    after = page.next;
  }
}
/** A client that has set messages aside, each with this failure. */
async function failing(codec: Codec, failures: number, text: string) {
  const bench = await BrokerBench.start({ topics: [topicSpec({ name: "t", queues: 1 })] });
  const client = await bench.client("a", 1, "somebody", null, codec);
  await client.join("one");
  const keys = Array.from({ length: failures }, (_, index) => `k${index}`);
  await client.produce(keys, 0);
  await bench.runtime.advance(1);
  await client.acquire(0);
  const { epoch } = client.last("lease.granted");
  const lease = { member: 1, queue: 0, epoch } as const;
  await client.say({ type: "credit", ...lease, messages: 2 * failures, bytes: 1e9 });
  const put = { type: "aside.put", ...lease, kind: "dead-letter", redriven: null, attempts: 3 } as const;
  for (const [at, key] of keys.entries()) {
    const error = { name: "Error", message: text, code: null };
    client.link.send(uncut(codec, { ...put, request: client.next(), offset: offset(at), key, error }));
    await bench.runtime.settle();
  }
  expect(client.all("aside.done")).toHaveLength(failures);
  return { bench, client };
}

describe.each(CODECS)("texts of failures, in $name,", (codec) => {
  const texts: readonly (readonly [character: string, failures: number])[] = [
    ["x", codec === binaryCodec ? 1_000 : 100],
    ["\u0001", 100],
    ["東", 100],
  ];
  it.each(texts)(
    "are cut on receipt and counted, and what is set aside can be listed: %j",
    async (character, failures) => {
      const { client } = await failing(codec, failures, character.repeat(65_536));
      const entries = await list(client, 1_000);
      expect(entries.map(({ offset: at }) => at)).toEqual(Array.from({ length: failures }, (_, at) => at));
      const bytes = entries.map(({ error }) => utf8Bytes(error.message));
      expect(Math.max(...bytes)).toBeLessThanOrEqual(8_192);
      expect(bytes.reduce((sum, each) => sum + each, 0)).toBeLessThanOrEqual(FAILURES_BYTES_MAX + failures * 256);
      expect(entries[0]?.error.message).toMatch(new RegExp(`^${character}{2000,}…$`));
    },
  );
  it("are listed as they are", async () => {
    const text = `\u001b[2Jgone\n\u202e${"x".repeat(5_000)}`;
    const { client } = await failing(codec, 1, text);
    const [entry] = await list(client, 10);
    expect(entry?.error.message).toBe(text);
  });
});
it.each(["park", "halt"] as const)(
  "an explanation shows control characters of a failure as escapes: %s",
  async (kind) => {
    const bench = await BrokerBench.start({ topics: [topicSpec({ name: "t", queues: 1 })] });
    const client = await bench.client("a");
    await client.join("one");
    await client.produce(["k", "k"], 0);
    await bench.runtime.advance(1);
    await client.acquire(0);
    const lease = { member: 1, queue: 0, epoch: client.last("lease.granted").epoch } as const;
    await client.say({ type: "credit", ...lease, messages: 10, bytes: 1e6 });
    const error = { name: "Bad\u0007Name", message: `\u001b[2Jgone\n\u202e${"x".repeat(5_000)}`, code: null };
    const what = { kind, offset: offset(0), key: "k", redriven: null, attempts: 3, error } as const;
    await client.say({ type: "aside.put", request: client.next(), ...lease, ...what });
    await client.say({ type: "ask", request: client.next(), question: { kind: "explain", topic: "t", key: "k" } });
    const { text, groups } = client.last("answer").answer as Answers["explain"];
    expect(text).toContain("Bad\\u0007Name: \\u001b[2Jgone\\n\\u202exxx");
    expect(text).not.toMatch(/[\p{Cc}\p{Cf}]/u);
    expect(text.length).toBeLessThan(500);
    const raw = groups[0]?.blockedBy?.error ?? "";
    expect([raw.startsWith("\u001b[2Jgone\n\u202exxx"), raw.endsWith("x…")]).toEqual([true, true]);
  },
);
it.each(CODECS)("a person's reason is cut on receipt ($name)", async (codec) => {
  const { bench, client } = await failing(codec, 1, "boom");
  const reasons: string[] = [];
  bench.broker.events$.subscribe((event) => {
    if (event.type === "message.skipped") reasons.push(event.reason);
  });
  const [{ entry } = { entry: "" }] = await list(client, 1);
  const question = { kind: "aside.skip", ...OF, entry, reason: "r".repeat(65_536) } as const;
  client.link.send(uncut(codec, { type: "ask", request: client.next(), question }));
  await bench.runtime.settle();
  expect(reasons).toEqual([`${"r".repeat(8_189)}…`]);
});
it("what clients are called, and what they ask for, forges no line of the log and no text of an error", async () => {
  const ugly = `\u001b[31m\r\nERROR all is lost\u202e`;
  const bench = await BrokerBench.start();
  const client = bench.dial();
  await client.say({ type: "hello", versions: [99], instance: "i", link: 1, client: ugly, ordinal: null });
  expect(client.last("goodbye").error?.message).toContain("\\u001b[31m\\r\\nERROR all is lost\\u202e");
  const other = await bench.client("b");
  await other.say(
    { type: "topic.find", request: other.next(), topic: ugly },
    { type: "ask", request: other.next(), question: { kind: "aside.peek", ...OF, key: ugly, limit: 1 } },
    { type: "ask", request: other.next(), question: { kind: "describe.group", topic: "t", group: ugly } },
  );
  expect(other.all("refused").length).toBe(3);
  for (const { error } of [...client.all("goodbye"), ...other.all("refused")])
    expect(error?.message).not.toMatch(/[\p{Cc}\p{Cf}]/u);
  expect(bench.logged.join("")).not.toMatch(/[\p{Cc}\p{Cf}]/u);
});
