// A platform's WebSocket tells of opening, failing and closing when it likes, and the caller gives up when it likes.
import { systemRuntime } from "@seriatim/actors";
import fc from "fast-check";
import { expect, it } from "vitest";
import { Dialler } from "./dial.ts";
import { Mailbox } from "./mailbox.ts";
import type { WebSocketLike } from "./platform-socket.ts";
import { SUBPROTOCOL, SUBPROTOCOL_REFUSAL } from "./wire.ts";

const plan = fc.record({
  opens: fc.boolean(),
  errs: fc.boolean(),
  aborts: fc.boolean(),
  frames: fc.nat(5),
  protocol: fc.constantFrom(SUBPROTOCOL, SUBPROTOCOL, SUBPROTOCOL_REFUSAL, "other"),
});

it("a dial ends once, keeps the order of frames, and leaves neither an open socket nor a listener behind", async () => {
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), fc.array(plan, { minLength: 1, maxLength: 3 }), async (s, plans) => {
      const sockets: { readyState: number }[] = [];
      const controller = new AbortController();
      const urls = plans.map((_, n) => `ws://host-${n}`);
      const tasks: Promise<void>[] = [];
      class FakeSocket implements WebSocketLike {
        binaryType = "";
        readyState = 0;
        bufferedAmount = 0;
        readonly protocol: string;
        readonly #listeners: { readonly type: string; readonly listener: (event: unknown) => void }[] = [];
        constructor(url: string) {
          const { opens, errs, aborts, frames, protocol } = plans[
            urls.indexOf(url.replace(/\/$/, ""))
          ] as (typeof plans)[0];
          this.protocol = protocol;
          sockets.push(this);
          const later = (what: string, then: () => void) => tasks.push(s.schedule(Promise.resolve(), what).then(then));
          if (aborts) later("abort", () => controller.abort("enough"));
          later("answer", () => {
            if (this.readyState >= 2) return this.#closed(1006);
            if (errs) this.#tell("error", {});
            if (!opens || errs) return this.#closed(1006);
            this.readyState = 1;
            this.#tell("open", {});
            for (let n = 0; n < frames; n++)
              if (this.readyState === 1) this.#tell("message", { data: Uint8Array.of(n).buffer });
            later("end", () => this.#closed(1006));
          });
        }
        send(): void {}
        close(): void {
          if (this.readyState < 2) this.readyState = 2;
          tasks.push(s.schedule(Promise.resolve(), "close").then(() => this.#closed(1000)));
        }
        addEventListener(type: string, listener: (event: never) => void): void {
          this.#listeners.push({ type, listener: listener as (event: unknown) => void });
        }
        #tell(type: string, event: unknown): void {
          for (const one of this.#listeners) if (one.type === type) one.listener(event);
        }
        #closed(code: number): void {
          if (this.readyState === 3) return;
          this.readyState = 3;
          this.#tell("close", { code, reason: "" });
        }
      }
      const dialler = new Dialler(systemRuntime(), urls, { WebSocket: FakeSocket });
      let settled = 0;
      const frames: number[] = [];
      let completed = 0;
      const dialled = dialler.dial({ signal: controller.signal, token: null }).then(
        (link) => {
          settled++;
          link.frames$.subscribe({ next: (frame) => frames.push(frame[0] as number), complete: () => completed++ });
        },
        () => settled++,
      );
      await s.waitFor(dialled);
      while (s.count() > 0) await s.waitOne();
      await Promise.all(tasks);
      while (s.count() > 0) await s.waitOne();
      await new Promise((resolve) => setImmediate(resolve));
      expect(settled).toBe(1);
      expect(frames).toEqual(frames.map((_, n) => n));
      expect(sockets.filter(({ readyState }) => readyState < 2)).toEqual([]);
    }),
    { numRuns: 200 },
  );
});

it("a mailbox hands on everything in order, whoever comes and goes", async () => {
  const act = fc.constantFrom("put", "put", "put", "subscribe", "unsubscribe", "close");
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), fc.array(act, { maxLength: 25 }), async (s, acts) => {
      const deferred: Promise<void>[] = [];
      const runtime = {
        ...systemRuntime(),
        defer: (fn: () => void) => void deferred.push(s.schedule(Promise.resolve(), "defer").then(fn)),
      };
      const mailbox = new Mailbox<number>(runtime);
      const seen: number[] = [];
      let reader: { unsubscribe(): void } | null = null;
      let completed = 0;
      let sent = 0;
      let closed = false;
      const subscribe = () => {
        reader ??= mailbox.taken$.subscribe({ next: (item) => seen.push(item), complete: () => completed++ });
      };
      const steps = acts.map((one) =>
        s.schedule(Promise.resolve(), one).then(() => {
          if (one === "put" && !closed) mailbox.put(sent++);
          if (one === "subscribe") subscribe();
          if (one === "unsubscribe" && completed === 0) {
            reader?.unsubscribe();
            reader = null;
          }
          if (one === "close" && !closed) {
            closed = true;
            mailbox.close();
          }
          expect(seen).toEqual(seen.map((_, n) => n));
        }),
      );
      await s.waitFor(Promise.all(steps));
      subscribe();
      if (!closed) mailbox.close();
      while (s.count() > 0) await s.waitOne();
      await Promise.all(deferred);
      while (s.count() > 0) await s.waitOne();
      expect(seen).toEqual(Array.from({ length: sent }, (_, n) => n));
      expect(completed).toBe(1);
    }),
    { numRuns: 300 },
  );
});
