// A fault of ours in a broker ends one link and nothing else, over real transports: the table of all of them is session-faults.test.ts and client-faults.test.ts.
import { binaryCodec, createBroker, createClient, type Logger, provide, tokens, topic, typed } from "@seriatim/actors";
import { memoryTransport } from "@seriatim/transport-memory";
import { wsTransport } from "@seriatim/transport-ws";
import { describe, expect, it, vi } from "vitest";

const lines = topic("lines", { schema: typed<string>(), key: "send", queues: 1 });
type ClientFrame = NonNullable<ReturnType<ReturnType<typeof binaryCodec.reader>["next"]>>;
const reader = binaryCodec.reader.bind(binaryCodec);
const encode = binaryCodec.encode.bind(binaryCodec);
const SECRET = "the password is swordfish";
type Logged = { readonly level: string; readonly text: string; readonly data: Readonly<Record<string, unknown>> };
const logging = (into: Logged[]) =>
  provide(
    tokens.logger,
    (): Logger => ({ log: (level, text, data) => into.push({ level, text, data: data as Logged["data"] }) }),
  );
async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 5));
}

/** What goes wrong once, and what has it happen. */
const FAULTS: readonly { readonly name: string; readonly strike: (struck: () => boolean) => void }[] = [
  {
    name: "while a batch is taken",
    strike: (struck) =>
      vi.spyOn(binaryCodec, "reader").mockImplementation((packet) => {
        const frames = reader(packet);
        return {
          next() {
            const frame = frames.next();
            if (frame?.type !== "batch.append" || !struck()) return frame;
            const faulty = {
              get lane(): never {
                throw new TypeError(SECRET);
              },
            };
            return Object.defineProperties(
              { type: frame.type },
              Object.getOwnPropertyDescriptors(faulty),
            ) as ClientFrame;
          },
          get done() {
            return frames.done;
          },
        };
      }),
  },
  {
    name: "while an answer is written",
    strike: (struck) =>
      vi.spyOn(binaryCodec, "encode").mockImplementation((frames) => {
        if (frames.some(({ type }) => type === "answer") && struck()) throw new TypeError(SECRET);
        return encode(frames);
      }),
  },
];
describe.each([
  { over: "memory", open: () => memoryTransport() },
  { over: "ws", open: () => wsTransport({ port: 0 }) },
])("over $over", ({ over, open }) => {
  it.each(FAULTS)("a fault $name", async ({ strike }) => {
    const listening = open();
    const atBroker: Logged[] = [];
    const atVictim: Logged[] = [];
    await using broker = await createBroker({ modules: [listening, logging(atBroker)], topics: [lines] });
    const transport = () => (over === "memory" ? listening : wsTransport({ url: broker.address }));
    await using other = await createClient({ modules: [transport()] });
    await using victim = await createClient({ modules: [transport(), logging(atVictim)] });
    const closed: string[] = [];
    const references: unknown[] = [];
    victim.events$.subscribe((event) => {
      if (event.type !== "link.closed") return;
      closed.push(String(event.code));
      references.push(event.reference);
    });
    let armed = true;
    strike(() => {
      const strikes = armed;
      armed = false;
      return strikes;
    });
    const receipt = victim.producer(lines).send("a", { key: "k" });
    const described = victim.describe();
    await until(() => closed.length > 0);
    expect(closed).toEqual(["INTERNAL"]);
    const line = atBroker.find(({ data }) => data["code"] === "INTERNAL");
    expect(line).toMatchObject({ level: "error", data: { error: `TypeError: ${SECRET}`, reference: references[0] } });
    expect(line?.data["stack"]).toContain("own-faults.int.test.ts");
    expect(atVictim.map(({ data }) => data["reference"])).toEqual(references);
    expect(JSON.stringify(atVictim)).not.toContain("swordfish");
    await other.producer(lines).send("b", { key: "k" }); // nobody else has noticed
    expect((await receipt).topic).toBe("lines");
    expect((await described).brokers).toHaveLength(1);
    expect(closed).toEqual(["INTERNAL"]);
  });
});
