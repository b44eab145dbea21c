// Answers of any size: they fit, or come in parts that do, and no link ends over them.
import { describe, expect, it } from "vitest";
import { createClientCore } from "../client/client.ts";
import type { Link } from "../contracts/transport.ts";
import { offset } from "../message/brands.ts";
import { topicSpec } from "../message/topic.ts";
import { AnswerParts } from "../protocol/answer-parts.ts";
import { FrameBatcher } from "../protocol/frame-batcher.ts";
import type { Answer } from "../protocol/frames.ts";
import { binaryCodec, type Codec, jsonCodec } from "../protocol/index.ts";
import type { Explanation, Question } from "../protocol/questions.ts";
import { BrokerBench, type TestClient } from "./broker.fixture.ts";
import { Drain } from "./drain.ts";
import { SessionAnswers } from "./session-answers.ts";

const KIB = 1024;
const QUEUES = 128;
const GROUPS = Array.from({ length: 12 }, (_, n) => `group${n}`);
const wide = topicSpec({ name: "wide", queues: QUEUES, groups: GROUPS });
const limits = { frameBytesMax: 80 * KIB, messageBytesMax: 16 * KIB };
const codecs = [binaryCodec, jsonCodec].map((codec) => ({ name: codec.name, codec }));

let instances = 0;
/** A link that speaks this version, and keeps how large its packets were. */
async function dial(bench: BrokerBench, codec: Codec, version: number) {
  const client = bench.dial("somebody", codec);
  const sizes: number[] = [];
  client.link.frames$.subscribe((packet) => sizes.push(packet.length));
  const hello = { type: "hello", instance: `i${++instances}`, link: 1, client: "c", ordinal: null } as const;
  await client.say({ ...hello, versions: [version] });
  return { client, sizes };
}
const ask = (client: TestClient, question: Question) => ({ type: "ask", request: client.next(), question }) as const;
const answerOf = (client: TestClient, request: number): unknown =>
  client.all("answer").find((frame) => frame.request === request)?.answer;
const partsOf = (client: TestClient, request: number) => client.parts.filter((frame) => frame.request === request);

describe.each(codecs)("answers in the $name codec", ({ codec }) => {
  it("that one frame would not hold come in parts that fit, six at a time, and the link stays", async () => {
    const bench = await BrokerBench.start({ topics: [wide], settings: limits });
    const { client, sizes } = await dial(bench, codec, 2);
    const asked = Array.from({ length: 6 }, () => ask(client, { kind: "describe" }));
    await client.say(...asked);
    await bench.runtime.advance(100);
    expect(client.link.end).toBeNull();
    expect(Math.max(...sizes)).toBeLessThanOrEqual(limits.frameBytesMax);
    const topics = await bench.broker.describe();
    for (const { request } of asked) {
      expect(partsOf(client, request).length).toBeGreaterThan(1);
      expect(answerOf(client, request)).toEqual(topics);
    }
  });

  it("of a question of version 1 are whole, or refused when they do not fit; the link stays", async () => {
    const bench = await BrokerBench.start({ topics: [wide], settings: limits });
    const { client, sizes } = await dial(bench, codec, 1);
    const describe = Array.from({ length: 6 }, () => ask(client, { kind: "describe" }));
    const groups = GROUPS.map((group) => ask(client, { kind: "describe.group", topic: "wide", group }));
    await client.say(...describe, ...groups);
    await bench.runtime.advance(100);
    expect(client.link.end).toBeNull();
    expect(client.all("refused").map(({ request, error }) => [request, error.code])).toEqual(
      describe.map(({ request }) => [request, "LIMIT_EXCEEDED"]),
    );
    expect(client.all("refused")[0]?.error.data).toMatchObject({ frameBytesMax: limits.frameBytesMax });
    for (const [at, { request }] of groups.entries())
      expect(answerOf(client, request)).toMatchObject({ group: GROUPS[at] });
    expect(Math.max(...sizes)).toBeLessThanOrEqual(limits.frameBytesMax);
    for (const frame of client.parts) expect(frame).not.toHaveProperty("more");
  });

  it("go part after part as the link drains, and what is small overtakes them", async () => {
    const { runtime } = await BrokerBench.start();
    const packets: Uint8Array[] = [];
    const state = { bufferedBytes: 0, most: 0, drained: null as (() => void) | null, isOpen: true };
    const link = {
      get bufferedBytes() {
        return state.bufferedBytes;
      },
      send(packet: Uint8Array) {
        packets.push(packet);
        state.bufferedBytes += packet.length;
        state.most = Math.max(state.most, state.bufferedBytes);
      },
      whenDrained(_bytes: number, drained: () => void) {
        state.drained = drained;
      },
    } as unknown as Link;
    const frameBytesMax = 4 * KIB * KIB;
    const fail = () => expect.unreachable();
    const settings = { frameBytesMax, peerBytesMax: frameBytesMax, onFault: fail, onTooLarge: fail };
    const batcher = new FrameBatcher(link, codec, runtime, settings);
    const sender = new SessionAnswers({
      ...{ batcher, codec, frameBytesMax, peerBytesMax: frameBytesMax, version: 2 },
      drain: new Drain(link, () => batcher, fail),
      session: { isOpen: true, send: (frame) => batcher.push(frame) },
    });
    const redriven = (count: number) => ({
      ...{ queue: 0, revision: 1, key: "k", id: null },
      offsets: Array.from({ length: count }, (_, at) => offset(at + 1_000_000)),
    });
    let sent = 0;
    const sendings = [1, 2].map((request) =>
      sender.send("aside.redrive", request, redriven(400_000)).then(() => sent++),
    );
    await sender.send("aside.redrive", 3, redriven(1));
    await runtime.settle();
    const read = () => packets.flatMap((packet) => codec.decode(packet) as Answer[]);
    expect([sent, read().some(({ request }) => request === 3)]).toEqual([0, true]);
    while (sent < 2) {
      expect(state.bufferedBytes).toBeGreaterThan(0);
      state.bufferedBytes = 0;
      state.drained?.();
      await runtime.settle();
    }
    await Promise.all(sendings);
    expect(state.most).toBeLessThan(2 * KIB * KIB);
    for (const request of [1, 2]) {
      const whole = new AnswerParts("aside.redrive", codec);
      const answers = read()
        .filter((frame) => frame.request === request)
        .map((part) => whole.add(part)?.answer);
      expect(answers.at(-1)).toEqual(redriven(400_000));
    }
  });
});

it("an explanation over a thousand groups with long names has a text that a frame may have", async () => {
  const groups = Array.from({ length: 1_000 }, (_, n) => `${"g".repeat(120)}${n}`);
  const bench = await BrokerBench.start({ topics: [topicSpec({ name: "many", queues: 1, groups })] });
  const { client } = await dial(bench, binaryCodec, 2);
  const asked = ask(client, { kind: "explain", topic: "many", key: "k" });
  await client.say(asked);
  await bench.runtime.advance(1_000);
  const { text, groups: views } = answerOf(client, asked.request) as Explanation;
  expect(views.map(({ group }) => group)).toEqual(groups);
  expect(text.startsWith(groups[0] as string)).toBe(true);
  expect(text.length).toBeLessThanOrEqual(32 * KIB);
});

it("a link that ends while answers wait for it leaves nothing behind", async () => {
  const bench = await BrokerBench.start({ topics: [wide], settings: limits });
  const { client } = await dial(bench, binaryCodec, 2);
  client.theirs.bufferedBytes = 2 * KIB * KIB;
  await client.say(...Array.from({ length: 40 }, () => ask(client, { kind: "describe" })));
  client.link.abort();
  await bench.runtime.advance(1_000);
  const again = await dial(bench, binaryCodec, 2);
  const asked = ask(again.client, { kind: "describe.topic", topic: "wide" });
  await again.client.say(asked);
  expect(answerOf(again.client, asked.request)).toMatchObject({ queues: QUEUES });
  expect(bench.logged.filter((line) => line.startsWith("error"))).toEqual([]);
});

describe.each([
  ["binary", binaryCodec],
  ["json", jsonCodec],
] as const)("a client that speaks %s", (_name, codec) => {
  it("describes what does not fit into one frame, however much at a time", async () => {
    const bench = await BrokerBench.start({ topics: [wide], settings: limits });
    const { transport, runtime } = bench;
    const client = await runtime.run(createClientCore({ transport, runtime, codec }));
    const topics = await bench.broker.describe();
    for (const times of [1, 6, 64]) {
      const all = await runtime.run(Promise.all(Array.from({ length: times }, () => client.describe())));
      for (const one of all) expect(one).toEqual(topics);
    }
    expect(bench.dialledAt).toHaveLength(1);
    await runtime.run(client.close());
  });
});
