import {
  type IncomingLink,
  type Link,
  type ListenOptions,
  systemRuntime,
  type Transport,
  tokens,
} from "@seriatim/actors";
import { simulatedRuntime } from "@seriatim/testing";
import { Container } from "inversify";
import { describe, expect, it } from "vitest";
import { memoryTransport } from "./index.ts";
import { createMemoryTransport, memoryHub } from "./memory-transport.ts";

const authenticate: ListenOptions["authenticate"] = async () => ({ id: "someone" });
const dialOptions = () => ({ signal: new AbortController().signal, token: null });
const transportOf = (module: ReturnType<typeof memoryTransport>): Transport => {
  const container = new Container();
  container.bind(tokens.runtime).toConstantValue(systemRuntime());
  container.load(module);
  return container.get<Transport>(tokens.transport);
};
const errorOf = (promise: Promise<unknown> | undefined) =>
  promise?.then(
    () => "no rejection",
    (error: unknown) => error,
  );

describe("who meets", () => {
  it("what one module value is given to", async () => {
    const module = memoryTransport();
    const [one, other] = [transportOf(module), transportOf(module)];
    const listener = await one.listen?.({ authenticate });
    await other.dial(dialOptions());
    expect(await errorOf(transportOf(memoryTransport()).dial(dialOptions()))).toMatchObject({ code: "UNAVAILABLE" });
    await listener?.close();
  });
  it("modules of one name, made apart", async () => {
    const listener = await transportOf(memoryTransport({ name: "shop" })).listen?.({ authenticate });
    expect(listener?.address).toBe("shop");
    await transportOf(memoryTransport({ name: "shop" })).dial(dialOptions());
    expect(await errorOf(transportOf(memoryTransport({ name: "other" })).dial(dialOptions()))).toMatchObject({
      code: "UNAVAILABLE",
      message: 'nobody listens on the in-memory hub "other"',
    });
    expect(await errorOf(transportOf(memoryTransport({ name: "shop" })).listen?.({ authenticate }))).toMatchObject({
      code: "UNAVAILABLE",
    });
    await listener?.close();
  });
});

describe("on a simulated clock", () => {
  const open = async (options: Partial<ListenOptions> = {}) => {
    const runtime = simulatedRuntime({ seed: 1 });
    const transport = createMemoryTransport(runtime, { hub: memoryHub("simulated") });
    const accepted: IncomingLink[] = [];
    const listener = await transport.listen?.({ authenticate, ...options });
    listener?.links$.subscribe((link) => accepted.push(link));
    const pair = async (): Promise<[Link, IncomingLink]> => {
      const dialled = await transport.dial(dialOptions());
      await runtime.settle();
      return [dialled, accepted.at(-1) as IncomingLink];
    };
    return { runtime, transport, pair };
  };

  it("needs no time to pass", async () => {
    const { runtime, pair } = await open();
    const [dialled, accepted] = await pair();
    let hops = 0;
    for (const link of [dialled, accepted])
      link.frames$.subscribe((frame) => {
        if (++hops < 10_000) link.send(frame);
      });
    dialled.send(new Uint8Array(1));
    await runtime.settle();
    expect(hops).toBe(10_000);
    expect(runtime.now()).toBe(0);
  });
  it("gives up on an authenticator after five seconds", async () => {
    let told = false;
    const { runtime, transport } = await open({
      authenticate: (_token, signal) => new Promise(() => signal.addEventListener("abort", () => (told = true))),
    });
    const dialling = errorOf(transport.dial(dialOptions()));
    await runtime.advance(4_999);
    expect(told).toBe(false);
    await runtime.advance(1);
    expect(told).toBe(true);
    expect(await dialling).toMatchObject({ code: "UNAVAILABLE", retryable: true });
    expect(runtime.timers).toBe(0);
  });
  it("takes a frame as it is, without a copy", async () => {
    const { runtime, pair } = await open();
    const [dialled, accepted] = await pair();
    const got: Uint8Array[] = [];
    accepted.frames$.subscribe((frame) => got.push(frame));
    const frame = new Uint8Array(10);
    dialled.send(frame);
    expect(dialled.bufferedBytes).toBe(10);
    await runtime.settle();
    expect(dialled.bufferedBytes).toBe(0);
    expect(got[0]).toBe(frame);
  });
  it("ends as overloaded when nobody ever takes anything", async () => {
    const { pair } = await open();
    const [dialled, accepted] = await pair();
    for (let n = 0; n < 40; n++) {
      dialled.send(new Uint8Array(2 * 1024 * 1024));
      expect(dialled.bufferedBytes).toBeLessThanOrEqual(64 * 1024 * 1024);
    }
    expect((await dialled.ended).code).toBe("overloaded");
    expect((await accepted.ended).code).toBe("overloaded");
  });
  it("keeps for the next subscriber what comes between two, and takes one at a time", async () => {
    const { runtime, pair } = await open();
    const [dialled, accepted] = await pair();
    const got: number[] = [];
    const first = accepted.frames$.subscribe((frame) => got.push(frame.length));
    let refused: unknown;
    accepted.frames$.subscribe({ error: (error) => (refused = error) });
    expect(refused).toBeInstanceOf(Error);
    dialled.send(new Uint8Array(1));
    await runtime.settle();
    first.unsubscribe();
    dialled.send(new Uint8Array(2));
    await runtime.settle();
    accepted.frames$.subscribe((frame) => got.push(frame.length * 10));
    await runtime.settle();
    expect(got).toEqual([1, 20]);
  });
});

describe("on the real clock", () => {
  it("lets timers run beside an exchange that never pauses", async () => {
    const transport = createMemoryTransport(systemRuntime(), { hub: memoryHub("busy") });
    const listener = await transport.listen?.({ authenticate });
    const accepted = new Promise<IncomingLink>((resolve) => void listener?.links$.subscribe(resolve));
    const [dialled, other] = [await transport.dial(dialOptions()), await accepted];
    for (const link of [dialled, other]) link.frames$.subscribe((frame) => link.send(frame));
    dialled.send(new Uint8Array(1));
    await new Promise((resolve) => setTimeout(resolve, 100)); // never comes when timers starve
    dialled.close();
    await other.ended;
  });
});
