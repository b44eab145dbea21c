// Attacks on what comes before a frame is understood: bytes, JSON, the handshake. Run by hostile.proof.test.ts.
import { binaryCodec } from "@seriatim/actors";
import { batchAppend } from "@seriatim/rig";
import { describe, expect, it } from "vitest";
import { Attacker, type Target, VIOLATION, validFor } from "./hostile.fixture.ts";
import { clientFrame, Raw, sleep, until, upgradeRequest } from "./ws.fixture.ts";

export function attackWithBytes(at: Target): void {
  describe("bytes that are no frames", () => {
    it("as the first packet end the link with 4400", async () => {
      for (const packet of ["garbage", "", "\u0053\u00ff", "[", "[{}]", '["hello"]']) {
        const attacker = await Attacker.open(at.url);
        attacker.json(packet);
        expect([packet, await attacker.ended()]).toEqual([packet, 4400]);
      }
    });
    it("after the hello are answered with a goodbye as well, wherever a packet is cut", async () => {
      const packet = binaryCodec.encode([batchAppend(1, 0) as never]);
      for (const length of [2, 5, 9, packet.length - 1])
        expect(await at.afterHello(({ socket }) => socket.send(packet.subarray(0, length)))).toEqual(VIOLATION);
    });
    it("in place of the upgrade are answered with 400, and a frame that breaks off in the middle leaves nothing behind", async () => {
      for (const bytes of ["\u0000\u0001garbage\r\n\r\n", "GET\r\n\r\n", `GET / HTTP/1.1\r\n${"x".repeat(100_000)}`]) {
        const raw = new Raw(at.port);
        raw.socket.write(bytes);
        await Promise.allSettled([raw.ended]); // a reset is an end, too, and may overtake the answer
        expect([400, 431, Number.NaN]).toContain(raw.status);
        expect(raw.socket.destroyed).toBe(true);
      }
      const attacker = await Attacker.welcome(at.url);
      const { _socket: raw } = attacker.socket as unknown as { _socket: { end(bytes: Buffer): void } };
      raw.end(clientFrame(0x82, Buffer.alloc(100), { length: 100_000 }));
      expect(await attacker.ended()).toBe(1006);
    });
    it("as text end the link with 4400", async () => {
      expect((await at.afterHello(({ socket }) => socket.send("hello"))).code).toBe(4400);
    });
    it.each([
      ["an unmasked frame", clientFrame(0x82, Buffer.from("x"), { masked: false }), 1002],
      ["a reserved bit", clientFrame(0xf2, Buffer.from("x")), 1002],
      ["an unknown opcode", clientFrame(0x83, Buffer.from("x")), 1002],
      ["a continuation of nothing", clientFrame(0x80, Buffer.from("x")), 1002],
      ["a ping of 126 bytes", clientFrame(0x89, Buffer.alloc(126)), 1002],
      ["text that is not UTF-8", clientFrame(0x81, Buffer.from([0xff])), 1007],
      ["a compressed frame", clientFrame(0xc2, Buffer.from("x")), 1002],
      ["a length of 4 GiB", clientFrame(0x82, Buffer.alloc(0), { length: 2 ** 32 - 1 }), 1009],
    ])("%s is closed by the WebSocket layer", async (_what, bytes, code) => {
      const raw = new Raw(at.port);
      raw.socket.write(upgradeRequest({ authorization: `Bearer ${validFor("mallory")}` }));
      await until(() => raw.text.includes("\r\n\r\n"), "the upgrade");
      raw.socket.write(bytes);
      await raw.ended;
      const after = Buffer.from(raw.text.slice(raw.text.indexOf("\r\n\r\n") + 4), "latin1");
      expect([after[0], after.readUInt16BE(2)]).toEqual([0x88, code]);
    });
    it("one message in thousands of fragments ends the link with 1008", async () => {
      const found = await at.afterHello(({ socket }) => {
        for (let n = 0; n < 3_000; n++) socket.send("x", { binary: true, fin: false });
      });
      expect(found.code).toBe(1008);
    });
    it("a frame over the limit ends the link with 1009", async () => {
      expect((await at.afterHello(({ socket }) => socket.send(Buffer.alloc(1024 * 1024 + 1)))).code).toBe(1009);
      expect((await at.afterHello(({ socket }) => socket.send(Buffer.alloc(4 * 1024 * 1024)))).code).toBe(1009);
    });
  });

  describe("JSON", () => {
    const jsonAppend = (body: string) =>
      `[{"type":"batch.append","lane":1,"epoch":1,"sequence":0,"count":1,"durability":"memory","messages":[{"encoding":"json","body":${body}}]}]`;
    it.each([
      ["half a million levels", "[".repeat(500_000)],
      ["as many, closed", "[".repeat(500_000) + "]".repeat(500_000)],
      ["a body of 1,000 levels", jsonAppend("[".repeat(1_000) + "]".repeat(1_000))],
      ["a third of a million empty objects", `[${"{},".repeat(340_000)}{}]`],
      ["a third of a million empty arrays in a body", jsonAppend(`[${"[],".repeat(340_000)}[]]`)],
      ["__proto__ in a frame", '[{"type":"lane.close","lane":1,"__proto__":{"polluted":true}}]'],
      ["__proto__ in a body", jsonAppend('{"__proto__":{"polluted":true}}')],
      ["an escaped __proto__", jsonAppend('{"\\u005f_proto__":{"polluted":true}}')],
      ["constructor.prototype", jsonAppend('{"constructor":{"prototype":{"polluted":true}}}')],
      ["a number that is none", '[{"type":"lane.close","lane":1e999}]'],
      ["an unknown frame", '[{"type":"toString"}]'],
      ["a field too many", '[{"type":"lane.close","lane":1,"more":1}]'],
      ["a frame only the broker sends", '[{"type":"lane.kept","lane":1,"epoch":1,"kept":1}]'],
    ])("with %s is PROTOCOL_VIOLATION, 4400", async (_what, text) => {
      expect(await at.afterHello((attacker) => attacker.json(text))).toEqual(VIOLATION);
    });
  });

  describe("the handshake", () => {
    it("in an unknown version is VERSION_UNSUPPORTED: in the hello 4400 after a goodbye, in the subprotocol 426 or 4426", async () => {
      const attacker = await Attacker.welcome(at.url, { versions: [99, 98] });
      expect([await attacker.ended(), attacker.goodbye]).toEqual([4400, "VERSION_UNSUPPORTED"]);
      expect(await at.refusal({ "sec-websocket-protocol": "seriatim.v2" })).toEqual({
        status: 426,
        code: "VERSION_UNSUPPORTED",
      });
      const page = new Attacker(at.url, { protocols: ["seriatim.v2", "seriatim.refusal"] });
      expect(await page.ended()).toBe(4426);
    });
    it("a second hello and an older link are PROTOCOL_VIOLATION, 4400; another's instance takes nothing over and locks nobody out", async () => {
      expect(await at.afterHello((attacker) => attacker.hello())).toEqual(VIOLATION);
      const instance = `victim${Math.random()}`;
      const victim = await Attacker.welcome(at.url, { instance, link: 5 }, { token: validFor("victim") });
      const older = async (link: number) => {
        const attacker = await Attacker.welcome(at.url, { instance, link }, { token: validFor("victim") });
        expect([await attacker.ended(), attacker.goodbye]).toEqual([4400, "PROTOCOL_VIOLATION"]);
      };
      for (const link of [4, 5]) await older(link);
      const beside = await Attacker.welcome(at.url, { instance, link: 6 }, { token: validFor("mallory") });
      expect([beside.has("welcome"), victim.closeCode]).toEqual([true, null]);
      // nor while the victim is away
      victim.socket.terminate();
      await victim.ended();
      await sleep(50);
      const thief = await Attacker.welcome(at.url, { instance, link: 1e9 }, { token: validFor("mallory") });
      await older(5);
      const back = await Attacker.welcome(at.url, { instance, link: 6 }, { token: validFor("victim") });
      expect([back.has("welcome"), thief.closeCode]).toEqual([true, null]);
      for (const { socket } of [thief, back]) socket.terminate();
    });
    it("with an expired, a missing or a used token is UNAUTHENTICATED, 401 or 4401; with one nobody can check UNAVAILABLE, 503", async () => {
      const UNAUTHENTICATED = { status: 401, code: "UNAUTHENTICATED" };
      expect(await at.refusal({ authorization: `Bearer ${validFor("mallory", -1)}` })).toEqual(UNAUTHENTICATED);
      expect(await at.refusal({ authorization: "" })).toEqual(UNAUTHENTICATED);
      const first = await Attacker.open(at.url, { token: at.named("ticket:1") });
      first.socket.terminate();
      expect(await at.refusal({ authorization: `Bearer ${at.named("ticket:1")}` })).toEqual(UNAUTHENTICATED);
      const page = new Attacker(at.url, {
        token: at.named("ticket:1"),
        protocols: ["seriatim.v1", "seriatim.refusal"],
      });
      expect(await page.ended()).toBe(4401);
      expect(await at.refusal({ authorization: "Bearer stuck" })).toEqual({ status: 503, code: "UNAVAILABLE" });
    });
    it("from a page that is not listed is FORBIDDEN, 403 or 4403", async () => {
      for (const origin of ["https://evil.example", "https://shop.example.evil.example", "null"])
        expect(await at.refusal({ origin })).toEqual({ status: 403, code: "FORBIDDEN" });
      const page = new Attacker(at.url, {
        origin: "https://evil.example",
        protocols: ["seriatim.v1", "seriatim.refusal"],
      });
      expect(await page.ended()).toBe(4403);
    });
    it("that never ends is cut after its time, whether nothing comes or one byte after the other", async () => {
      const sockets = Array.from({ length: 50 }, () => new Raw(at.port));
      const request = upgradeRequest();
      let sent = 0;
      const drip = setInterval(() => {
        for (const { socket } of sockets.slice(25)) if (!socket.destroyed) socket.write(request[sent] ?? "x");
        sent++;
      }, 30);
      await Promise.allSettled(sockets.map((raw) => raw.ended)); // a reset is an end, too
      clearInterval(drip);
      expect(sent).toBeLessThan(request.length); // cut before the slow ones had said all
      expect(sockets.map(({ text }) => text).join("")).not.toContain("101 Switching");
    });
  });
}
