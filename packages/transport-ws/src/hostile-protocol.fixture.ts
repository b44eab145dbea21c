// Attacks in well-formed frames: out of place, on leases of others, too many. Run by hostile.proof.test.ts.
import { binaryCodec } from "@seriatim/actors";
import { batchAppend, laneOpen, memberJoin, NOTHING_SETTLED, packedMessage } from "@seriatim/rig";
import { beforeAll, describe, expect, it } from "vitest";
import { Attacker, type Target, VIOLATION } from "./hostile.fixture.ts";
import { clientFrame, sleep, until } from "./ws.fixture.ts";

export function attackWithFrames(at: Target): void {
  describe("frames out of place", () => {
    it("sequence numbers from the future are OUT_OF_SEQUENCE with what is expected, and the link stays", async () => {
      const attacker = await Attacker.welcome(at.url);
      const { epoch, expected } = await at.openLane(attacker, at.named("futurist"));
      for (const sequence of [expected + 1, 2 ** 40, Number.MAX_SAFE_INTEGER - 1]) {
        const from = attacker.frames.length;
        attacker.say(batchAppend(epoch, sequence));
        const answer = await attacker.answer({ type: "batch.refused", from });
        expect([answer.error.code, answer["expected"]]).toEqual(["OUT_OF_SEQUENCE", expected]);
      }
      const from = attacker.frames.length;
      attacker.say(batchAppend(epoch + 1_000, expected));
      const fenced = (await attacker.answer({ type: "batch.refused", from })).error.code;
      expect(fenced).toBe("PRODUCER_FENCED");
      attacker.say(batchAppend(epoch, expected));
      expect(await attacker.answer({ type: "batch.appended", from })).toMatchObject({ sequence: expected });
      attacker.socket.terminate();
    });
    it("an ordinal that was never given counts as none: the next one is given", async () => {
      const before = await Attacker.welcome(at.url);
      const liar = await Attacker.welcome(at.url, { ordinal: Number.MAX_SAFE_INTEGER });
      const after = await Attacker.welcome(at.url);
      const ordinals: number[] = [];
      for (const each of [before, liar, after]) {
        ordinals.push(Number((await each.answer({ type: "welcome", from: 0 }))["ordinal"]));
        each.socket.terminate();
      }
      expect(ordinals).toEqual(ordinals.toSorted((a, b) => a - b));
      expect(new Set(ordinals).size).toBe(3);
    });
    it("batches that lie about their messages are PROTOCOL_VIOLATION", async () => {
      for (const more of [
        { count: 5 },
        { count: 2 ** 40 },
        { messages: new Uint8Array(3) },
        { messages: new Uint8Array(0) },
      ]) {
        const attacker = await Attacker.welcome(at.url);
        const { epoch, expected } = await at.openLane(attacker, at.named("liar"));
        const from = attacker.frames.length;
        attacker.say(batchAppend(epoch, expected, more));
        await until(() => attacker.closeCode !== null || attacker.frames.length > from, "an answer");
        const answer = attacker.frames[from] as unknown as { type: string; error: { code: string } };
        expect([more, answer.error.code]).toEqual([more, "PROTOCOL_VIOLATION"]);
        attacker.socket.terminate();
      }
    });
    it("on lanes and queues that are not there end the link; about unknown members they are refused or change nothing", async () => {
      expect(await at.afterHello((attacker) => attacker.say(batchAppend(1, 0)))).toEqual(VIOLATION);
      const attacker = await Attacker.welcome(at.url);
      const ofMember = { member: 7, queue: 0, epoch: 1 };
      attacker.say(
        { type: "settle", ...ofMember, settle: 0, settlement: { ...NOTHING_SETTLED, ranges: [[0, 10]] } },
        { type: "credit", ...ofMember, messages: 2 ** 53 - 1, bytes: 2 ** 53 - 1 },
        { type: "lane.close", lane: 99 },
        { type: "member.leave", member: 7 },
      );
      for (const frame of [
        { type: "lease.acquire", member: 7, queue: 0, resume: null },
        { type: "lease.raise", ...ofMember },
        { type: "lease.release", ...ofMember, settle: NOTHING_SETTLED },
      ])
        expect([frame.type, await attacker.request(frame)]).toEqual([frame.type, "UNAVAILABLE"]);
      expect(await attacker.request(laneOpen("evil", { queue: 77 }))).toBe("WRONG_ROUTE");
      expect(await attacker.request({ type: "topic.find", topic: "nowhere" })).toBe("TOPIC_UNKNOWN");
      expect(await attacker.request(memberJoin("evil", "g", { name: at.named("lost") }))).toBe("member.joined");
      attacker.say({ type: "lease.acquire", member: 1, queue: 77, resume: null, request: attacker.next() });
      expect([await attacker.ended(), attacker.goodbye]).toEqual([4400, "PROTOCOL_VIOLATION"]);
    });
    it("on what the principal has no right to are FORBIDDEN", async () => {
      const attacker = await Attacker.welcome(at.url);
      expect(await attacker.request(laneOpen("board"))).toBe("FORBIDDEN");
      expect(await attacker.request(memberJoin("board", "g", { name: "mallory" }))).toBe("FORBIDDEN");
      const discard = { kind: "aside.list", topic: "board", group: "g", after: null, limit: 10 };
      expect(await attacker.request({ type: "ask", question: discard })).toBe("FORBIDDEN");
      attacker.socket.terminate();
    });
  });

  describe("leases", () => {
    it("settles of what was never delivered are refused with PROTOCOL_VIOLATION and settle nothing", async () => {
      const writer = await Attacker.welcome(at.url);
      const lane = await at.openLane(writer, at.named("settled"), "steal");
      writer.say(batchAppend(lane.epoch, lane.expected));
      await writer.answer({ type: "batch.appended", from: 0 });
      writer.socket.terminate();
      const { attacker, epoch } = await at.holder("steal", at.named("settler"));
      for (const ranges of [[[0, 1_000_000]], [[5, 5]], [[9, 3]], [[2 ** 52, 2 ** 53 - 1]]]) {
        const from = attacker.frames.length;
        attacker.say({
          type: "settle",
          member: 1,
          queue: 0,
          epoch,
          settle: 0,
          settlement: { ...NOTHING_SETTLED, ranges },
        });
        await until(() => attacker.closeCode !== null || attacker.frames.length > from, "an answer");
        const answer = attacker.frames[from] as unknown as { type: string; error: { code: string } };
        expect([ranges, answer.error.code]).toEqual([ranges, "PROTOCOL_VIOLATION"]);
        if (attacker.closeCode !== null || answer.type === "goodbye") return;
      }
      const released = { type: "lease.release", member: 1, queue: 0, epoch };
      expect(await attacker.request({ ...released, settle: { ...NOTHING_SETTLED, ranges: [[0, 1_000_000]] } })).toBe(
        "lease.released",
      );
      attacker.socket.terminate();
      const fresh = await at.holder("steal", at.named("settler2"), at.named("settler"));
      fresh.attacker.say({ type: "credit", member: 1, queue: 0, epoch: fresh.epoch, messages: 10, bytes: 1e6 });
      const delivered = await fresh.attacker.answer({ type: "deliver", from: 0 });
      expect((delivered as unknown as { batches: { offset: number }[] }).batches[0]?.offset).toBe(0);
      expect(await fresh.attacker.request({ ...released, epoch: fresh.epoch, settle: NOTHING_SETTLED })).toBe(
        "lease.released",
      );
      fresh.attacker.socket.terminate();
    });
    it("of another session are STALE_EPOCH or LEASE_HELD, whatever is asked with its epoch", async () => {
      const { attacker: victim, epoch } = await at.holder("steal", at.named("victim"));
      const attacker = await Attacker.welcome(at.url);
      expect(await attacker.request(memberJoin("steal", at.named("victim"), { name: at.named("victim") }))).toBe(
        "NAME_IN_USE",
      );
      expect(await attacker.request(memberJoin("steal", at.named("victim"), { name: "mallory" }))).toBe(
        "member.joined",
      );
      const lease = { member: 1, queue: 0, epoch };
      const resume = { epoch, settle: NOTHING_SETTLED, inHand: [], redrivenInHand: [] };
      const put = {
        kind: "park",
        offset: 0,
        key: null,
        redriven: null,
        attempts: 3,
        error: { name: "E", message: "", code: null },
      };
      for (const [frame, code] of [
        [{ type: "lease.acquire", member: 1, queue: 0, resume: null }, "LEASE_HELD"],
        [{ type: "lease.acquire", member: 1, queue: 0, resume }, "STALE_EPOCH"],
        [{ type: "lease.raise", ...lease }, "STALE_EPOCH"],
        [{ type: "lease.release", ...lease, settle: { ...NOTHING_SETTLED, ranges: [[0, 1]] } }, "STALE_EPOCH"],
        [{ type: "aside.put", ...lease, ...put }, "STALE_EPOCH"],
        [{ type: "lease.raise", ...lease, epoch: epoch + 1 }, "STALE_EPOCH"],
      ] as const)
        expect([frame.type, await attacker.request(frame)]).toEqual([frame.type, code]);
      const from = attacker.frames.length;
      attacker.say(
        { type: "credit", ...lease, messages: 1_000, bytes: 1e6 },
        { type: "settle", ...lease, settle: 0, settlement: { ...NOTHING_SETTLED, ranges: [[0, 1]] } },
        { type: "heartbeat", beat: 1, grantsSeen: 1e6, leases: [lease] },
      );
      expect((await attacker.answer({ type: "settle.refused", from })).error.code).toBe("STALE_EPOCH");
      expect(await attacker.answer({ type: "heartbeat.answered", from })).toMatchObject({ renewed: [] });
      expect(attacker.has("deliver")).toBe(false);
      attacker.socket.terminate();
      victim.say({ type: "heartbeat", beat: 1, grantsSeen: 1, leases: [lease] });
      const answer = await victim.answer({ type: "heartbeat.answered", from: 0 });
      expect((answer as unknown as { renewed: { epoch: number }[] }).renewed[0]?.epoch).toBe(epoch);
      victim.socket.terminate();
    });
  });

  describe("too much", () => {
    const silent: Attacker[] = [];
    const greeted: Attacker[] = [];
    beforeAll(async () => {
      for (let n = 0; n < 25; n++) {
        silent.push(...(await Promise.all(Array.from({ length: 20 }, () => Attacker.open(at.url)))));
        greeted.push(...(await Promise.all(Array.from({ length: 20 }, () => Attacker.welcome(at.url)))));
      }
    });
    it("never read while producing: 1013 after the grace period", async () => {
      const attacker = await Attacker.welcome(at.url);
      const { epoch } = await at.openLane(attacker, at.named("deaf"));
      attacker.socket.pause();
      const refused = binaryCodec.encode(Array.from({ length: 500 }, () => batchAppend(epoch, 2 ** 40) as never));
      for (let n = 0; n < 300 && attacker.socket.readyState === 1; n++) {
        attacker.socket.send(refused);
        if (n % 20 === 0) await sleep(5);
      }
      expect([1013, 1006]).toContain(await attacker.endedUnread());
    });
    it("never read while consuming: deliveries stop, 1013 after the grace period", async () => {
      const writer = await Attacker.welcome(at.url);
      const { epoch, expected } = await at.openLane(writer, at.named("writer"));
      const from = writer.frames.length;
      for (let n = 0; n < 150; n++) writer.say(batchAppend(epoch, expected + n, { messages: packedMessage(60_000) }));
      await until(
        () => writer.frames.slice(from).filter(({ type }) => type === "batch.appended").length === 150,
        "receipts",
      );
      writer.socket.terminate();
      const { attacker, epoch: lease } = await at.holder("evil", at.named("deaf"));
      attacker.say({ type: "credit", member: 1, queue: 0, epoch: lease, messages: 1e9, bytes: 1e12 });
      attacker.socket.pause();
      expect([1013, 1006]).toContain(await attacker.endedUnread());
    });
    it("pings without end, unread: the connection is cut", async () => {
      const attacker = await Attacker.welcome(at.url);
      attacker.socket.pause();
      const pings = Buffer.concat(Array.from({ length: 2_000 }, () => clientFrame(0x89, Buffer.alloc(125))));
      const raw = (attacker.socket as unknown as { _socket: { write(bytes: Buffer): boolean } })._socket;
      for (let n = 0; n < 60; n++) {
        raw.write(pings);
        await sleep(2);
      }
      attacker.socket.resume();
      expect(await attacker.ended()).toBe(1006);
    });
    it("questions that wait, without end: LIMIT_EXCEEDED, and the link stays", async () => {
      const attacker = await Attacker.welcome(at.url);
      expect(await attacker.request(memberJoin("evil", "g", { name: at.named("curious") }))).toBe("member.joined");
      const question = { kind: "reached", topic: "evil", group: "g", ends: [{ queue: 0, end: 2 ** 50 }] };
      attacker.say(...Array.from({ length: 2_000 }, () => ({ type: "ask", request: attacker.next(), question })));
      const { error } = await attacker.answer({ type: "refused", from: 0 });
      expect(error.code).toBe("LIMIT_EXCEEDED");
      await sleep(100);
      expect(attacker.frames.filter(({ type }) => type === "refused").length).toBe(1_000);
      expect(attacker.closeCode).toBeNull();
      attacker.socket.terminate();
    });
    it("1,000 connections that say nothing: 4400 without a hello after 5 s, cut without a heartbeat after four", async () => {
      // One that does not answer the goodbye within a second,
      // as on a machine with no time for it, is cut off and may not hear it.
      for (const attacker of silent) expect([4400, 1006]).toContain(await attacker.ended());
      for (const attacker of greeted) expect(await attacker.ended()).toBe(1006);
    });
  });
}
