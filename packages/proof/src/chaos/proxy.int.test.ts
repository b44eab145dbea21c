import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FaultyProxy } from "./proxy.ts";

let server: Server;
let accepted: Socket[];
let proxy: FaultyProxy;
const clients: Socket[] = [];

beforeEach(async () => {
  accepted = [];
  server = createServer((socket) => {
    socket.on("error", () => {});
    socket.write("hello");
    accepted.push(socket);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  proxy = await FaultyProxy.open({ targetPort: (server.address() as AddressInfo).port });
});
afterEach(async () => {
  for (const socket of [...clients.splice(0), ...accepted]) socket.destroy();
  await proxy.close();
  await new Promise((resolve) => server.close(resolve));
});

/** A client that has been greeted through the proxy, and what it hears from then on. */
async function dialled(): Promise<{ socket: Socket; heard: () => string; ending: Promise<string> }> {
  const socket = connect(proxy.port, "127.0.0.1");
  clients.push(socket);
  let text = "";
  socket.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk;
  });
  const ending = new Promise<string>((resolve) => {
    socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? "")).once("end", () => resolve("end"));
  });
  await expect.poll(() => text).toBe("hello");
  return { socket, heard: () => text.slice("hello".length), ending };
}
/** What the server hears of its newest connection. */
function serverHears(): () => string {
  let text = "";
  accepted
    .at(-1)
    ?.setEncoding("utf8")
    .on("data", (chunk: string) => {
      text += chunk;
    });
  return () => text;
}
const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 100));

describe("FaultyProxy", () => {
  it("passes both directions on, and the end of a stream", async () => {
    const { socket, heard } = await dialled();
    const hears = serverHears();
    socket.write("up");
    accepted[0]?.write("down");
    await expect.poll(() => hears() + heard()).toBe("updown");
    expect(proxy.openLinks).toBe(1);
    socket.end();
    await expect.poll(() => proxy.openLinks).toBe(0);
  });
  it.each([
    ["reset", "ECONNRESET"],
    ["end", "end"],
  ] as const)("cuts open connections by a %s", async (how, seen) => {
    const { ending } = await dialled();
    expect(proxy.cut(how)).toBe(1);
    expect(await ending).toBe(seen);
    expect(proxy.cut(how)).toBe(0);
    await dialled(); // a new one is welcome
  });
  it("holds everything back and lets it go on, nothing lost; new connections are silent meanwhile", async () => {
    const { socket, heard } = await dialled();
    const hears = serverHears();
    proxy.hold();
    socket.write("up");
    accepted[0]?.write("down");
    const late = connect(proxy.port, "127.0.0.1");
    clients.push(late);
    let greeted = false;
    late.once("data", () => {
      greeted = true;
    });
    await settle();
    expect([hears(), heard(), greeted]).toEqual(["", "", false]);
    proxy.heal();
    await expect.poll(() => [hears(), heard(), greeted]).toEqual(["up", "down", true]);
  });
  it("keeps from the broker that a held client is gone", async () => {
    const { socket } = await dialled();
    let noticed = false;
    accepted[0]?.on("close", () => {
      noticed = true;
    });
    proxy.hold();
    socket.resetAndDestroy();
    await settle();
    expect(noticed).toBe(false);
    proxy.heal();
    await expect.poll(() => noticed).toBe(true);
  });
  it("holds one direction only", async () => {
    const { socket, heard } = await dialled();
    const hears = serverHears();
    proxy.hold(["up"]);
    socket.write("up");
    accepted[0]?.write("down");
    await expect.poll(heard).toBe("down");
    expect(hears()).toBe("");
  });
  it("breaks off inside the next chunk, never after its end", async () => {
    for (const share of [0, 0.5, 0.999]) {
      const { socket, ending } = await dialled();
      const hears = serverHears();
      const cutting = proxy.cutMidChunk("up", share, "end", 5_000);
      socket.write("0123456789");
      expect(await cutting).toBe(true);
      await ending;
      await expect.poll(() => hears().length).toBeGreaterThan(0);
      expect("0123456789".startsWith(hears())).toBe(true);
      expect(hears().length).toBeLessThan(10);
    }
  });
  it("says so when nothing came by to break off", async () => {
    await dialled();
    expect(await proxy.cutMidChunk("up", 0.5, "reset", 50)).toBe(false);
    expect(proxy.openLinks).toBe(1);
  });
  it("slows down, nothing lost", async () => {
    const { socket } = await dialled();
    const hears = serverHears();
    proxy.slow(100_000);
    const from = performance.now();
    socket.write("x".repeat(30_000));
    await expect.poll(() => hears().length).toBe(30_000);
    expect(performance.now() - from).toBeGreaterThan(200);
  });
  it("refuses as the broker does while that is away", async () => {
    await new Promise((resolve) => server.close(resolve));
    const socket = connect(proxy.port, "127.0.0.1");
    clients.push(socket);
    await new Promise((resolve) => socket.once("error", resolve).once("end", resolve));
    expect(proxy.openLinks).toBe(0);
  });
});
