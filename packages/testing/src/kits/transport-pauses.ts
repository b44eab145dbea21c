import type { LinkEnd } from "@seriatim/actors";
import {
  collect,
  count,
  fill,
  frame,
  same,
  sameFrames,
  sleep,
  type TransportTests,
  until,
  within,
} from "./transport-harness.ts";

/** A reader that holds back. */
export function pauses({ eitherWay }: TransportTests): void {
  eitherWay("emits nothing while it is paused, and all of it, in order, once it goes on", async (sender, receiver) => {
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
  });

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
}
