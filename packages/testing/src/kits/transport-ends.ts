import type { LinkCode, LinkEnd } from "@seriatim/actors";
import { collect, count, frame, same, sameFrames, type TransportTests, within } from "./transport-harness.ts";

/** The end of a link. */
export function ends({ promise, eitherWay }: TransportTests): void {
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
      same(await within(sender.ended, "the sender's end"), { code, reason: `because of ${code}` }, "the sender's end");
      await within(got.completed, "completion");
    });

  eitherWay("carries a reason of any length, whole or its beginning", async (sender, receiver) => {
    const reason = "ü€😀".repeat(100);
    sender.close("normal", reason);
    const end = await within(receiver.ended, "the end");
    if (end.reason.length < 30 || !reason.startsWith(end.reason)) throw new Error(`the peer was told "${end.reason}"`);
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
}
