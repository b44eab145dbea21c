// Answers, a loss, a goodbye and our own close reach one link in any order, while requests are made and streams are listened to.
import fc from "fast-check";
import { Subject } from "rxjs";
import { expect, it } from "vitest";
import type { Link, LinkEnd } from "../contracts/transport.ts";
import { NO_EPOCH } from "../message/brands.ts";
import type { BrokerFrame } from "../protocol/frames.ts";
import { binaryCodec } from "../protocol/index.ts";
import { NEWEST_VERSION } from "../protocol/version.ts";
import { simulatedRuntime } from "../runtime/simulated-runtime.ts";
import { BrokerLink } from "./broker-link.ts";

const act = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom("request", "frame", "frame") },
  { weight: 1, arbitrary: fc.constantFrom("lose", "close", "abort", "goodbye", "wait") },
);

it("answers each request once, keeps the order of frames, and ends everything once", async () => {
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), fc.array(act, { maxLength: 25 }), fc.boolean(), async (s, acts, welcomes) => {
      const runtime = simulatedRuntime({ seed: 1 });
      const down = new Subject<Uint8Array>();
      let tell = (_: LinkEnd) => {};
      let over = false;
      const hangUp = (code: LinkEnd["code"]) => {
        if (over) return;
        over = true;
        down.complete();
        void s.schedule(Promise.resolve(), "ended").then(() => tell({ code, reason: "" }));
      };
      const receive = (frame: BrokerFrame) => {
        if (!over) down.next(binaryCodec.encode([frame]));
      };
      const raw: Link = {
        frames$: down,
        bufferedBytes: 0,
        whenDrained: () => {},
        pause: () => {},
        resume: () => {},
        send: (packet) => {
          for (const frame of binaryCodec.decode(packet))
            if (frame.type === "topic.find") {
              const error = { code: "TOPIC_UNKNOWN", message: "no", data: {} } as const;
              void s
                .schedule(Promise.resolve(), "answer")
                .then(() => receive({ type: "refused", request: frame.request, error }));
            }
        },
        close: (code = "normal") => hangUp(code),
        abort: () => hangUp("lost"),
        ended: new Promise((resolve) => {
          tell = resolve;
        }),
      };
      let ends = 0;
      const link = new BrokerLink({
        link: raw,
        codec: binaryCodec,
        runtime,
        logger: { log: () => {} },
        instance: "i",
        client: "c",
        number: 1,
        ordinal: null,
        onEnd: () => ends++,
        onLimited: () => {},
      });
      let told = 0;
      void link.over.then(() => told++);
      const kept: number[] = [];
      let completed = 0;
      link.lane$(1).subscribe({
        next: (frame) => frame.type === "lane.kept" && kept.push(frame.kept),
        complete: () => completed++,
      });
      const limits = { frameBytesMax: 1 << 20, messageBytesMax: 1 << 16, inFlightBatchesMax: 8, heartbeatMs: 1_000 };
      const welcome = {
        ...limits,
        version: NEWEST_VERSION,
        brokerId: "b",
        broker: "b",
        leaseTtlMsMax: 60_000,
      } as const;
      if (welcomes) receive({ type: "welcome", ...welcome, durabilityMax: "synced", ordinal: 1 });
      await runtime.settle();
      let sent = 0;
      let answered = 0;
      const requests: Promise<unknown>[] = [];
      const steps = acts.map((one) =>
        s.schedule(Promise.resolve(), one).then(async () => {
          if (one === "request")
            requests.push(
              link.request<"topic.find">({ type: "topic.find", topic: "t" }).catch((error: { code: string }) => {
                answered++;
                expect(["TOPIC_UNKNOWN", "UNAVAILABLE"]).toContain(error.code);
              }),
            );
          else if (one === "frame" && welcomes)
            receive({ type: "lane.kept", lane: 1, epoch: NO_EPOCH, kept: sent++ as never });
          else if (one === "goodbye") receive({ type: "goodbye", error: null });
          else if (one === "lose") hangUp("lost");
          else if (one === "close") link.close();
          else if (one === "abort") link.abort();
          await (one === "wait" ? runtime.advance(900) : runtime.settle());
        }),
      );
      await s.waitFor(Promise.all(steps));
      link.close();
      while (s.count() > 0) await s.waitOne();
      await runtime.settle();
      await Promise.all(requests);
      expect(kept).toEqual(kept.map((_, n) => n));
      expect([answered, ends, told, completed]).toEqual([requests.length, 1, 1, 1]);
      expect([link.open, over, down.observed, runtime.timers]).toEqual([false, true, false, 0]);
    }),
    { numRuns: 200 },
  );
});
