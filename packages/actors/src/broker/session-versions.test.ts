import { describe, expect, it } from "vitest";
import { BrokerLink } from "../link/broker-link.ts";
import type { Codec } from "../protocol/codec.ts";
import type { ClientFrame, Hello } from "../protocol/frames.ts";
import { binaryCodec, jsonCodec } from "../protocol/index.ts";
import { NEXT_VERSION, nextSpeaker } from "../protocol/next-version.fixture.ts";
import { NEWEST_VERSION, PROTOCOL_VERSIONS } from "../protocol/version.ts";
import { BrokerBench } from "./broker.fixture.ts";

const hello = (versions: readonly number[]): Hello => ({
  type: "hello",
  versions,
  instance: "a",
  link: 1,
  client: "shop",
  ordinal: null,
});
const passOver = { type: "pass.over", request: 1, to: "b2" } as unknown as ClientFrame;
const findTopic: ClientFrame = { type: "topic.find", request: 1, topic: "t" };
/** A client's end of a link of its own to the bench. */
function openLink(bench: BrokerBench, codec: Codec) {
  const { link } = bench.dial("somebody", codec);
  const options = {
    instance: "i",
    client: "c",
    number: 1,
    ordinal: null,
    onEnd: () => {},
    onLimited: () => {},
    logger: { log: () => {} },
  };
  return new BrokerLink({ link, codec, runtime: bench.runtime, ...options });
}

describe("a broker of a next version", () => {
  it("speaks the highest version that both do, and each link has what its version has", async () => {
    const { codec, codecs } = nextSpeaker();
    const bench = await BrokerBench.start({ codecs });
    const old = await bench.client("old");
    expect(old.last("welcome").version).toBe(NEWEST_VERSION);
    expect(Object.keys(old.last("welcome"))).not.toContain("region");
    const next = bench.dial("somebody", codec);
    await next.say({ ...hello(codec.versions), instance: "next" });
    expect(next.last("welcome")).toMatchObject({ version: NEXT_VERSION, region: "north" });
    // those of the next version that were told to speak an old one only
    const modest = PROTOCOL_VERSIONS.map((version) => bench.dial("somebody", codec.at(version)));
    for (const [at, client] of modest.entries()) {
      const version = PROTOCOL_VERSIONS[at] as number;
      await client.say({ ...hello([version]), instance: `modest${version}` });
      expect(client.last("welcome").version).toBe(version);
    }
    for (const client of [old, next, ...modest]) {
      await client.say(findTopic);
      expect(client.last("topic.found").route.topic).toBe("t");
    }
  });

  it("takes what comes in the packet of a hello as the version that was agreed on", async () => {
    const { codec, codecs } = nextSpeaker();
    const bench = await BrokerBench.start({ codecs });
    const old = bench.dial();
    await old.say(hello(PROTOCOL_VERSIONS), findTopic);
    expect(old.last("topic.found").request).toBe(1);
    const next = bench.dial("somebody", codec);
    await next.say({ ...hello([NEXT_VERSION]), instance: "b" }, findTopic);
    expect(next.last("topic.found").request).toBe(1);
  });

  it("ends a link of this version that sends what came later, in either codec", async () => {
    for (const today of [binaryCodec, jsonCodec]) {
      const { codec, codecs } = nextSpeaker();
      const bench = await BrokerBench.start({ codecs });
      const client = bench.dial("somebody", today);
      await client.say(hello(PROTOCOL_VERSIONS));
      client.link.send(codec.encode([passOver]));
      await bench.runtime.settle();
      expect(client.last("goodbye").error).toMatchObject({
        code: "PROTOCOL_VIOLATION",
        data: { frame: "packet", field: "type", found: '"pass.over"' },
      });
      expect(client.link.end?.code).toBe("violation");
    }
  });

  it("that speaks the old version no more tells a client of it what each speaks and who is to be upgraded", async () => {
    const { codecs } = nextSpeaker();
    const bench = await BrokerBench.start({ codecs });
    for (const [versions, upgrade] of [
      [[98, 99], "broker"],
      [[0], "client"],
    ] as const) {
      const client = bench.dial();
      await client.say(hello(versions));
      const { error } = client.last("goodbye");
      expect(error).toMatchObject({
        code: "VERSION_UNSUPPORTED",
        data: { client: versions, broker: codecs.versions, upgrade },
      });
      expect(error?.message).toContain(`client "shop" speaks protocol version`);
      expect(client.link.end?.code).toBe("violation");
    }
  });
});

describe("a client of a next version", () => {
  it("speaks this version with a broker of it, and does not ask it what it cannot know; the link stays", async () => {
    const { codec, packets } = nextSpeaker();
    const bench = await BrokerBench.start();
    const link = openLink(bench, codec);
    await bench.runtime.settle();
    expect((await link.welcomed).version).toBe(NEWEST_VERSION);
    const asked = link.request(passOver as never);
    await expect(asked).rejects.toMatchObject({
      code: "VERSION_UNSUPPORTED",
      data: { what: 'type "pass.over"', since: NEXT_VERSION, spoken: NEWEST_VERSION },
    });
    const found = link.request<"topic.find">({ type: "topic.find", topic: "t" });
    await bench.runtime.settle();
    expect((await found).type).toBe("topic.found");
    expect([...packets.keys()]).toEqual([NEXT_VERSION, NEWEST_VERSION]); // its hello, and all that followed
    link.close();
  });

  it("speaks its own with a broker of it", async () => {
    const { codec, codecs, packets } = nextSpeaker();
    const bench = await BrokerBench.start({ codecs });
    const link = openLink(bench, codec);
    await bench.runtime.settle();
    expect(await link.welcomed).toMatchObject({ version: NEXT_VERSION, region: "north" });
    expect([...packets.keys()]).toEqual([NEXT_VERSION]);
    link.close();
  });
});
