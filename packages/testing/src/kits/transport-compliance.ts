import {
  type DialOptions,
  type IncomingLink,
  isMessagingError,
  type Link,
  type LinkCode,
  type LinkEnd,
  type Listener,
  type ListenOptions,
  MessagingError,
  systemRuntime,
  type Transport,
} from "@seriatim/actors";
import type { ComplianceRunner } from "./store-compliance.ts";

/** A transport whose `dial` reaches its own `listen`, new and with nothing open. Disposing it ends whatever a test left behind. */
export interface TransportFixture extends AsyncDisposable {
  readonly transport: Transport;
  /** How many sockets, servers or the like are open on behalf of this fixture; asked when all should be gone. Leave it out where there are none to count. */
  openHandles?(): number;
  /** The dialling side is a browser's WebSocket or the like: it reads whether or not anybody subscribes, and its `abort` is a polite close. @default false */
  readonly browserLike?: boolean;
}

/** Largest frame of these tests, in bytes. */
const FRAME_BYTES_MAX = 1024 * 1024;
/** Time anything may take here, in ms. */
const PATIENCE_MS = 120_000;

/** The promises of the `Transport` contract as tests: every transport runs them. */
export function transportCompliance(
  name: string,
  open: () => Promise<TransportFixture>,
  { describe, it }: ComplianceRunner,
): void {
  const promise = (title: string, run: (bench: Bench) => Promise<void>) =>
    it(title, async () => {
      const fixture = await open();
      const bench = new Bench(fixture);
      try {
        await run(bench);
      } finally {
        await bench.end();
        await fixture[Symbol.asyncDispose]();
      }
    });
  /** Once with the dialling side as the sender, once with the listening side. */
  const eitherWay = (
    title: string,
    run: (sender: Link, receiver: Link, bench: Bench, from: "dialling" | "listening") => Promise<void>,
  ) => {
    promise(`${title} (from the dialling side)`, async (bench) => {
      const [dialled, accepted] = await bench.pair();
      await run(dialled, accepted, bench, "dialling");
    });
    promise(`${title} (from the listening side)`, async (bench) => {
      const [dialled, accepted] = await bench.pair();
      await run(accepted, dialled, bench, "listening");
    });
  };

  describe(`transport: ${name}`, () => {
    /* ---------- frames ---------- */

    eitherWay("carries frames in send order, each once and unchanged", async (sender, receiver) => {
      const got = collect(receiver);
      const sent = count(5_000).map((n) => frame(n, n % 97));
      for (const bytes of sent) sender.send(bytes.slice());
      await until(() => got.frames.length >= sent.length, "all frames");
      sameFrames(got.frames, sent);
      if (got.frames.some((bytes) => Object.getPrototypeOf(bytes) !== Uint8Array.prototype))
        throw new Error("frames must be plain Uint8Arrays: a subclass may copy or share where those do not");
    });

    eitherWay(
      "carries one frame of the largest size between many small ones, and an empty one",
      async (sender, receiver) => {
        const got = collect(receiver);
        const sent = [
          ...count(500).map((n) => frame(n, 20)),
          frame(500, FRAME_BYTES_MAX),
          new Uint8Array(0),
          ...count(500).map((n) => frame(n, 20)),
        ];
        for (const bytes of sent) sender.send(bytes.slice());
        await until(() => got.frames.length >= sent.length, "all frames");
        sameFrames(got.frames, sent);
      },
    );

    promise("carries both directions at once, and answers to answers", async (bench) => {
      const [dialled, accepted] = await bench.pair();
      const [atDialled, atAccepted] = [collect(dialled), collect(accepted, (bytes) => accepted.send(bytes.slice()))];
      const sent = count(2_000).map((n) => frame(n, 300));
      for (const [n, bytes] of sent.entries()) {
        dialled.send(bytes.slice());
        if (n % 100 === 0) await sleep(0);
      }
      await until(() => atDialled.frames.length >= sent.length, "all echoes");
      sameFrames(atAccepted.frames, sent);
      sameFrames(atDialled.frames, sent);
    });

    promise("keeps links apart", async (bench) => {
      const pairs = [await bench.pair(), await bench.pair(), await bench.pair()];
      const got = pairs.map(([, accepted]) => collect(accepted));
      for (const n of count(100)) for (const [at, [dialled]] of pairs.entries()) dialled.send(frame(1_000 * at + n, 8));
      await until(() => got.every(({ frames }) => frames.length >= 100), "all frames");
      for (const [at, { frames }] of got.entries())
        sameFrames(
          frames,
          count(100).map((n) => frame(1_000 * at + n, 8)),
        );
      pairs[1]?.[0].close();
      await within(pairs[1]?.[1].ended, "the end of the second link");
      pairs[0]?.[0].send(frame(1, 1));
      await until(() => got[0]?.frames.length === 101, "a frame on the first link");
    });

    eitherWay("keeps frames until somebody subscribes, past the end of the link too", async (sender, receiver) => {
      const sent = count(200).map((n) => frame(n, 50));
      for (const bytes of sent.slice(0, 100)) sender.send(bytes.slice());
      await sleep(20);
      for (const bytes of sent.slice(100)) sender.send(bytes.slice());
      sender.close("normal", "done");
      await within(receiver.ended, "the end");
      const got = collect(receiver);
      await within(got.completed, "completion");
      sameFrames(got.frames, sent);
    });

    eitherWay("never emits from inside send or subscribe", async (sender, receiver) => {
      sender.send(frame(1, 1));
      await sleep(20);
      let inside = true;
      let emittedInside = 0;
      const got = collect(receiver, () => {
        if (inside) emittedInside++;
      });
      sender.send(frame(2, 1));
      inside = false;
      await until(() => got.frames.length === 2, "both frames");
      same(emittedInside, 0, "frames emitted inside a call");
    });

    eitherWay("ends with tooLarge on a frame over the limit, after those before it", async (sender, receiver) => {
      const got = collect(receiver);
      const sent = count(10).map((n) => frame(n, 10));
      for (const bytes of sent) sender.send(bytes.slice());
      sender.send(new Uint8Array(FRAME_BYTES_MAX + 1));
      sender.send(frame(11, 10));
      same((await within(receiver.ended, "the receiver's end")).code, "tooLarge", "the receiver's end");
      same((await within(sender.ended, "the sender's end")).code, "tooLarge", "the sender's end");
      await within(got.completed, "completion");
      sameFrames(got.frames, sent);
    });

    eitherWay(
      "counts what the peer has not taken, and counts down to nothing as it takes it",
      async (sender, receiver, { fixture }, from) => {
        if (from === "listening" && fixture.browserLike === true) return;
        const sent = await fill(sender);
        const got = collect(receiver);
        await until(() => got.frames.length >= sent.length && sender.bufferedBytes === 0, "an empty buffer");
        sameFrames(got.frames, sent);
        sender.close();
        await within(sender.ended, "the end");
        same(sender.bufferedBytes, 0, "buffered after the end");
      },
    );

    eitherWay(
      "tells those who hold back, once each, when no more than they said waits",
      async (sender, receiver, { fixture }, from) => {
        if (from === "listening" && fixture.browserLike === true) return;
        const sent = await fill(sender);
        const told: (readonly [asked: number, buffered: number])[] = [];
        for (const bytes of [0, 100_000, 400_000])
          sender.whenDrained(bytes, () => told.push([bytes, sender.bufferedBytes]));
        await sleep(50); // whoever is told now, while nobody reads, is told too soon, unless the operating system has taken more after all
        const got = collect(receiver);
        await until(() => told.length >= 3 && got.frames.length >= sent.length, "the news that it has drained");
        for (const [asked, buffered] of told)
          if (buffered > asked) throw new Error(`told at ${buffered} bytes, asked for at most ${asked}`);
        sender.send(frame(0, 10));
        await until(() => got.frames.length > sent.length, "one more frame");
        same(told.map(([asked]) => asked).sort(), [0, 100_000, 400_000], "told");
      },
    );

    eitherWay("tells at once when little waits already, but never from inside a call", async (sender) => {
      let inside = true;
      let told = 0;
      let toldInside = 0;
      sender.whenDrained(0, () => {
        told++;
        if (inside) toldInside++;
      });
      inside = false;
      await until(() => told === 1, "the news that nothing waits");
      same(toldInside, 0, "told from inside");
    });

    eitherWay("tells those who wait for it to drain when it ends", async (sender, _receiver, { fixture }, from) => {
      if (from === "listening" && fixture.browserLike === true) return;
      await fill(sender);
      let told = 0;
      sender.whenDrained(0, () => told++);
      sender.abort();
      await within(sender.ended, "the end");
      await until(() => told === 1, "the news that nothing waits any more");
      sender.whenDrained(0, () => told++); // and who asks later
      await until(() => told === 2, "the same after the end");
    });

    /* ---------- a reader that holds back ---------- */

    eitherWay(
      "emits nothing while it is paused, and all of it, in order, once it goes on",
      async (sender, receiver) => {
        const sent = count(300).map((n) => frame(n, 50));
        const got = collect(receiver, () => {
          if (got.frames.length === 10 || got.frames.length === 100) receiver.pause();
        });
        for (const bytes of sent.slice(0, 200)) sender.send(bytes.slice());
        await until(() => got.frames.length === 10, "the frames before the first pause");
        await sleep(20);
        same(got.frames.length, 10, "frames while it is paused");
        receiver.pause(); // says nothing more
        receiver.resume();
        same(got.frames.length, 10, "frames from inside resume");
        await until(() => got.frames.length === 100, "the frames before the second pause");
        for (const bytes of sent.slice(200)) sender.send(bytes.slice());
        await sleep(20);
        same(got.frames.length, 100, "frames while it is paused again");
        receiver.resume();
        receiver.resume();
        await until(() => got.frames.length === sent.length, "all frames");
        sameFrames(got.frames, sent);
      },
    );

    eitherWay(
      "tells a sender that its peer is paused by what stays with it, and goes on when that is read",
      async (sender, receiver, { fixture }, from) => {
        if (from === "listening" && fixture.browserLike === true) return;
        const got = collect(receiver);
        receiver.pause();
        const sent = await fill(sender);
        same(got.frames.length, 0, "frames while it is paused");
        receiver.resume();
        await until(() => got.frames.length === sent.length && sender.bufferedBytes === 0, "an empty buffer");
        sameFrames(got.frames, sent);
      },
    );

    eitherWay("emits what came before the end of a link, however late it goes on", async (sender, receiver) => {
      const got = collect(receiver);
      receiver.pause();
      const sent = count(50).map((n) => frame(n, 50));
      for (const bytes of sent) sender.send(bytes.slice());
      sender.close("normal", "done");
      await sleep(20);
      same(got.frames.length, 0, "frames while it is paused");
      receiver.resume();
      await within(got.completed, "completion");
      sameFrames(got.frames, sent);
      same(await within(receiver.ended, "the end"), { code: "normal", reason: "done" } satisfies LinkEnd, "the end");
    });

    for (const end of ["close", "abort"] as const)
      eitherWay(`is ended by its own ${end} while it is paused, without another frame`, async (sender, receiver) => {
        const got = collect(receiver);
        receiver.pause();
        for (const n of count(50)) sender.send(frame(n, 50));
        await sleep(20);
        receiver[end]();
        await within(got.completed, "completion");
        await within(receiver.ended, "the end");
        receiver.resume();
        receiver.pause();
        await sleep(5);
        same(got.frames.length, 0, "frames after the end");
      });

    /* ---------- the end of a link ---------- */

    eitherWay(
      "delivers what was sent before close, and tells both sides the code and the reason",
      async (sender, receiver) => {
        const got = collect(receiver);
        const sent = count(64).map((n) => frame(n, 128 * 1024));
        for (const bytes of sent) sender.send(bytes.slice());
        sender.close("unavailable", "moving to broker-2");
        sender.close("violation", "a second close says nothing");
        sender.send(frame(65, 1));
        const end: LinkEnd = { code: "unavailable", reason: "moving to broker-2" };
        same(await within(receiver.ended, "the receiver's end"), end, "the receiver's end");
        same(await within(sender.ended, "the sender's end"), end, "the sender's end");
        await within(got.completed, "completion");
        sameFrames(got.frames, sent);
      },
    );

    for (const code of [
      "normal",
      "violation",
      "tooLarge",
      "overloaded",
      "unavailable",
      "internal",
      "unauthenticated",
    ] as const satisfies readonly LinkCode[])
      eitherWay(`carries the code "${code}"`, async (sender, receiver) => {
        const got = collect(receiver);
        sender.close(code, `because of ${code}`);
        same(
          await within(receiver.ended, "the receiver's end"),
          { code, reason: `because of ${code}` },
          "the receiver's end",
        );
        same(
          await within(sender.ended, "the sender's end"),
          { code, reason: `because of ${code}` },
          "the sender's end",
        );
        await within(got.completed, "completion");
      });

    eitherWay("carries a reason of any length, whole or its beginning", async (sender, receiver) => {
      const reason = "ü€😀".repeat(100);
      sender.close("normal", reason);
      const end = await within(receiver.ended, "the end");
      if (end.reason.length < 30 || !reason.startsWith(end.reason))
        throw new Error(`the peer was told "${end.reason}"`);
    });

    eitherWay("emits nothing more after its own close", async (sender, receiver) => {
      const got = collect(receiver, () => receiver.close());
      for (const n of count(100)) sender.send(frame(n, 10));
      await within(receiver.ended, "the receiver's end");
      await within(sender.ended, "the sender's end");
      await within(got.completed, "completion");
      same(got.frames.length, 1, "frames emitted");
    });

    promise("ends once when both sides close at the same time", async (bench) => {
      const [dialled, accepted] = await bench.pair();
      const got = [collect(dialled), collect(accepted)];
      dialled.close("normal", "mine");
      accepted.close("normal", "yours");
      for (const link of [dialled, accepted]) same((await within(link.ended, "the end")).code, "normal", "the end");
      for (const { completed } of got) await within(completed, "completion");
    });

    eitherWay(
      "loses what was sent when aborted: the peer gets its beginning, and no goodbye",
      async (sender, receiver, { fixture }, from) => {
        const got = collect(receiver);
        const sent = count(256).map((n) => frame(n, 128 * 1024));
        for (const bytes of sent) sender.send(bytes.slice());
        sender.abort();
        sender.abort();
        sender.send(frame(0, 1));
        same((await within(sender.ended, "the sender's end")).code, "lost", "the sender's end");
        if (from === "dialling" && fixture.browserLike === true) return;
        same((await within(receiver.ended, "the receiver's end")).code, "lost", "the receiver's end");
        await within(got.completed, "completion");
        sameFrames(got.frames, sent.slice(0, got.frames.length));
        if (got.frames.length === sent.length)
          throw new Error("32 MiB arrived whole although their sender aborted at once");
      },
    );

    promise("does nothing on an ended link, and never throws", async (bench) => {
      const [dialled, accepted] = await bench.pair();
      dialled.close();
      await within(Promise.all([dialled.ended, accepted.ended]), "the end");
      for (const link of [dialled, accepted]) {
        link.send(frame(1, 1));
        link.close("violation", "too late");
        link.abort();
        same((await link.ended).code, "normal", "the end");
      }
      const late = collect(accepted);
      await within(late.completed, "completion of a late subscriber");
      same(late.frames.length, 0, "frames");
    });

    /* ---------- dialling ---------- */

    promise("hands the token to the authenticator as it is, and the principal to the listening side", async (bench) => {
      const tokens: (string | null)[] = ["s3cret", "with space", "", "ünï😀", null, `${"x".repeat(2_000)}==`];
      for (const token of tokens) {
        const [, accepted] = await bench.pair({ token });
        same(bench.asked.at(-1), token, "the token the authenticator got");
        same(accepted.principal, { id: `principal of ${token}` }, "the principal");
        if (accepted.remote === "") throw new Error("`remote` must say where the link came from");
      }
    });

    promise("refuses a token: UNAUTHENTICATED, and no link", async (bench) => {
      await bench.listen({ authenticate: async () => null });
      await rejects(bench.dial({ token: "wrong" }), "UNAUTHENTICATED");
      await rejects(bench.dial({ token: null }), "UNAUTHENTICATED");
      same(bench.accepted.length, 0, "links");
    });

    promise(
      "survives an authenticator that throws: UNAVAILABLE, and the next dial is asked about anew",
      async (bench) => {
        await bench.listen({
          authenticate: async (token) => {
            if (token === "bad") throw new Error("the directory is down");
            return { id: "a" };
          },
        });
        await rejects(bench.dial({ token: "bad" }), "UNAVAILABLE");
        await within(bench.dial({ token: "good" }), "the next dial");
      },
    );

    promise(
      "tells the dialling side nothing of what an authenticator threw, but a broker's reference",
      async (bench) => {
        const secret = "the password is swordfish";
        const reference = "c0ffee00-0000-4000-8000-000000000000";
        await bench.listen({
          authenticate: async (token) => {
            if (token === "own") throw new MessagingError("UNAVAILABLE", secret, { data: { reference } });
            throw new Error(secret, { cause: new Error(secret) });
          },
        });
        for (const token of ["own", "foreign"]) {
          const error = await bench.dial({ token }).then(
            () => null,
            (refused: unknown) => refused,
          );
          const told = textsOf(error);
          if (told.includes("swordfish")) throw new Error(`the dialling side was told: ${told}`);
          same(told.includes(reference), token === "own", "whether it was told the reference");
        }
      },
    );

    promise("gives up before dialling when the signal has fired", async (bench) => {
      await bench.listen();
      const reason = new Error("changed my mind");
      await rejectsWith(bench.dial({ signal: AbortSignal.abort(reason) }), reason);
      await sleep(20);
      same(bench.asked.length, 0, "times the authenticator was asked");
      same(bench.accepted.length, 0, "links");
    });

    promise("gives up while dialling when the signal fires, and tells the authenticator", async (bench) => {
      let asked = 0;
      let told = 0;
      await bench.listen({
        authenticate: (_token, signal) =>
          new Promise((resolve) => {
            asked++;
            signal.addEventListener("abort", () => {
              told++;
              resolve({ id: "too late" });
            });
          }),
      });
      const controller = new AbortController();
      const reason = new Error("changed my mind");
      const dialling = bench.dial({ signal: controller.signal });
      const rejected = rejectsWith(dialling, reason);
      await until(() => asked === 1, "the question to the authenticator");
      controller.abort(reason);
      await rejected;
      await until(() => told === 1, "the authenticator's signal");
      await sleep(20);
      same(bench.accepted.length, 0, "links");
    });

    promise("leaves an open link alone when the signal of its dial fires", async (bench) => {
      const controller = new AbortController();
      const [dialled, accepted] = await bench.pair({ signal: controller.signal });
      controller.abort();
      const got = collect(accepted);
      dialled.send(frame(1, 1));
      await until(() => got.frames.length === 1, "the frame");
    });

    /* ---------- listening ---------- */

    promise("keeps links until somebody subscribes, and completes when closed", async (bench) => {
      const listener = await bench.listen({}, { subscribe: false });
      const dialled = [await bench.dial(), await bench.dial()];
      for (const [n, link] of dialled.entries()) link.send(frame(n, 4));
      await sleep(20);
      const arrivals = bench.subscribe(listener);
      await until(() => bench.accepted.length === 2, "both links");
      const got = bench.accepted.map((link) => collect(link));
      await until(() => got.every(({ frames }) => frames.length === 1), "the frame on each");
      sameFrames(
        got.flatMap(({ frames }) => frames),
        [frame(0, 4), frame(1, 4)],
      );
      await within(listener.close(), "close");
      await within(arrivals, "completion of links$");
    });

    promise("accepts nothing once closed, and leaves its links open", async (bench) => {
      const [dialled, accepted] = await bench.pair();
      const listener = await bench.listen();
      await within(Promise.all([listener.close(), listener.close()]), "close");
      await rejects(bench.dial(), "UNAVAILABLE");
      const got = collect(accepted);
      dialled.send(frame(1, 10));
      await until(() => got.frames.length === 1, "a frame on the link that stayed");
    });

    promise("ends its links as unavailable when disposed, and can listen again", async (bench) => {
      const [dialled, accepted] = await bench.pair();
      const got = collect(dialled);
      accepted.send(frame(1, 10));
      const listener = await bench.listen();
      await within(listener[Symbol.asyncDispose](), "dispose");
      for (const link of [dialled, accepted])
        same((await within(link.ended, "the end")).code, "unavailable", "the end");
      await within(got.completed, "completion");
      sameFrames(got.frames, [frame(1, 10)]);
      await rejects(bench.dial(), "UNAVAILABLE");
      bench.forgetListener();
      const [again] = await bench.pair();
      again.close();
      await within(again.ended, "the end of a link to the new listener");
    });

    promise("refuses whoever is being asked about when it closes", async (bench) => {
      let asked = 0;
      const listener = await bench.listen({
        authenticate: () => {
          asked++;
          return new Promise(() => {});
        },
      });
      const refused = rejects(bench.dial(), "UNAVAILABLE");
      await until(() => asked === 1, "the question to the authenticator");
      await within(listener[Symbol.asyncDispose](), "dispose");
      await refused;
    });

    promise("leaves nothing open", async (bench) => {
      const before = bench.fixture.openHandles?.() ?? 0;
      for (const end of ["close", "abort", "refuse", "give up"] as const) {
        const listener = await bench.listen(end === "refuse" ? { authenticate: async () => null } : {});
        if (end === "refuse") await rejects(bench.dial(), "UNAUTHENTICATED");
        else if (end === "give up") {
          const controller = new AbortController();
          const dialling = bench.dial({ signal: controller.signal });
          controller.abort(new Error("gave up"));
          await dialling.then(
            (link) => link.abort(),
            () => {},
          );
        } else {
          const [dialled, accepted] = await bench.pair();
          for (const link of [dialled, accepted]) for (const n of count(10)) link.send(frame(n, 1_000));
          dialled[end]();
          await within(Promise.all([dialled.ended, accepted.ended]), "the end");
        }
        await within(listener[Symbol.asyncDispose](), "dispose");
        bench.forgetListener();
      }
      await until(() => (bench.fixture.openHandles?.() ?? 0) <= before, "every handle to close");
    });
  });
}

/** One test's listener and links. */
class Bench {
  readonly fixture: TransportFixture;
  /** Tokens the default authenticator was asked about. */
  readonly asked: (string | null)[] = [];
  readonly accepted: IncomingLink[] = [];
  #listener: Listener | null = null;
  readonly #links: Link[] = [];
  constructor(fixture: TransportFixture) {
    this.fixture = fixture;
  }
  /** The listener; opens it at the first call. */
  async listen(options: Partial<ListenOptions> = {}, { subscribe = true } = {}): Promise<Listener> {
    if (this.#listener !== null) return this.#listener;
    const { transport } = this.fixture;
    if (transport.listen === undefined) throw new Error("the fixture's transport must listen");
    const authenticate: ListenOptions["authenticate"] = async (token) => {
      this.asked.push(token);
      return { id: `principal of ${token}` };
    };
    const listener = await within(
      transport.listen({ authenticate, frameBytesMax: FRAME_BYTES_MAX, ...options }),
      "listen",
    );
    this.#listener = listener;
    if (typeof listener.address !== "string" || listener.address === "")
      throw new Error("a listener must say where it listens");
    if (subscribe) void this.subscribe(listener);
    return listener;
  }
  subscribe(listener: Listener): Promise<void> {
    return new Promise((resolve, reject) => {
      listener.links$.subscribe({ next: (link) => this.accepted.push(link), complete: resolve, error: reject });
    });
  }
  forgetListener(): void {
    this.#listener = null;
  }
  async dial(options: Partial<DialOptions> = {}): Promise<Link> {
    const { signal } = new AbortController();
    const link = await this.fixture.transport.dial({ signal, token: null, frameBytesMax: FRAME_BYTES_MAX, ...options });
    this.#links.push(link);
    return link;
  }
  async pair(options: Partial<DialOptions> = {}): Promise<[dialled: Link, accepted: IncomingLink]> {
    await this.listen();
    const before = this.accepted.length;
    const dialled = await within(this.dial(options), "dial");
    await until(() => this.accepted.length > before, "the link at the listening side");
    return [dialled, this.accepted.at(-1) as IncomingLink];
  }
  async end(): Promise<void> {
    for (const link of [...this.#links, ...this.accepted]) link.abort();
    await this.#listener?.[Symbol.asyncDispose]();
  }
}

/** What a link emits from now on. */
function collect(
  link: Link,
  then: (bytes: Uint8Array) => void = () => {},
): { readonly frames: Uint8Array[]; readonly completed: Promise<void> } {
  const frames: Uint8Array[] = [];
  const completed = new Promise<void>((resolve, reject) => {
    link.frames$.subscribe({
      next: (bytes) => {
        frames.push(bytes);
        then(bytes);
      },
      complete: resolve,
      error: reject,
    });
  });
  return { frames, completed };
}

/** Sends until the link holds 512 KiB or more, of a peer that nobody reads. What an operating system takes at once is not buffered: go on until it takes no more. */
async function fill(sender: Link): Promise<Uint8Array[]> {
  const sent: Uint8Array[] = [];
  do {
    while (sender.bufferedBytes < 512 * 1024) {
      if (sent.length === 160) throw new Error("nobody reads, and nothing of 40 MiB stays buffered");
      const bytes = frame(sent.length, 256 * 1024);
      sent.push(bytes);
      sender.send(bytes.slice());
      await sleep(0);
    }
    await sleep(50);
  } while (sender.bufferedBytes < 512 * 1024);
  return sent;
}

const count = (n: number): number[] => Array.from({ length: n }, (_, at) => at);
/** `size` bytes that no other `n` has. */
function frame(n: number, size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; at++) bytes[at] = (n >>> ((at & 3) * 8)) ^ (at >>> 2);
  return bytes;
}

/** All that an error says, with what is behind it. */
function textsOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return `${error} ${JSON.stringify(error)} ${error.cause === undefined ? "" : textsOf(error.cause)}`;
}
function same(found: unknown, expected: unknown, what: string): void {
  const [a, b] = [JSON.stringify(found), JSON.stringify(expected)];
  if (a !== b) throw new Error(`${what}: expected ${b}, found ${a}`);
}
function sameFrames(found: readonly Uint8Array[], expected: readonly Uint8Array[]): void {
  same(found.length, expected.length, "number of frames");
  for (const [n, bytes] of expected.entries()) {
    const other = found[n] as Uint8Array;
    if (other.byteLength !== bytes.byteLength || bytes.some((byte, at) => byte !== other[at]))
      throw new Error(`frame ${n} of ${bytes.byteLength} bytes arrived as another one of ${other.byteLength} bytes`);
  }
}
async function rejects(promise: Promise<unknown>, code: string): Promise<void> {
  const error = await within(outcome(promise), `the rejection with ${code}`);
  if (!isMessagingError(error) || error.code !== code)
    throw new Error(`expected a rejection with ${code}, found ${error}`, { cause: error });
}
async function rejectsWith(promise: Promise<unknown>, reason: unknown): Promise<void> {
  const error = await within(outcome(promise), "the rejection");
  if (error !== reason) throw new Error(`expected a rejection with ${reason}, found ${error}`, { cause: error });
}
const outcome = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => "no rejection",
    (error: unknown) => error,
  );

const { setTimeout, clearTimeout, now } = systemRuntime();
const sleep = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms));
async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = now() + PATIENCE_MS;
  while (!condition()) {
    if (now() > deadline) throw new Error(`waited ${PATIENCE_MS} ms for ${what}`);
    await sleep(1);
  }
}
async function within<T>(promise: PromiseLike<T> | undefined, what: string): Promise<T> {
  let timer: unknown;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${PATIENCE_MS} ms for ${what}`)), PATIENCE_MS);
  });
  try {
    return await Promise.race([promise as PromiseLike<T>, late]);
  } finally {
    clearTimeout(timer);
  }
}
