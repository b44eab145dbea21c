import {
  collect,
  count,
  FRAME_BYTES_MAX,
  fill,
  frame,
  same,
  sameFrames,
  sleep,
  type TransportTests,
  until,
  within,
} from "./transport-harness.ts";

/** What travels: in order, once, unchanged, counted. */
export function frames({ promise, eitherWay }: TransportTests): void {
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
}
