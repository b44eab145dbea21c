import { expect, it } from "vitest";
import { SerialQueue } from "./serial-queue.ts";

it("runs changes one after another, and of those that are as good as one only the first that waits", async () => {
  const ran: string[] = [];
  const turn = new SerialQueue((error) => ran.push(String(error)));
  let go = () => {};
  turn.run(
    () =>
      new Promise<void>((resolve) => {
        go = resolve;
      }),
  );
  for (let n = 0; n < 1_000; n++) turn.runOnce("check", () => void ran.push("check"));
  turn.run(() => void ran.push("other"));
  turn.runOnce("check", () => void ran.push("never"));
  expect([turn.length, ran]).toEqual([2, []]);
  go();
  await new Promise<void>((resolve) => void setImmediate(resolve));
  expect([turn.length, ran]).toEqual([0, ["check", "other"]]);
  turn.runOnce("check", () => void ran.push("again"));
  expect(ran.at(-1)).toBe("again");
});

it("tells of what a change threw, to the queue's owner and then to the change's, and goes on", async () => {
  const ran: string[] = [];
  const turn = new SerialQueue((error) => ran.push(`owner: ${String(error)}`));
  turn.run(
    () => {
      throw new Error("at once");
    },
    () => ran.push("asker"),
  );
  turn.run(
    () => Promise.reject(new Error("later")),
    () => ran.push("asker"),
  );
  turn.run(() => void ran.push("next"));
  await new Promise<void>((resolve) => void setImmediate(resolve));
  expect(ran).toEqual(["owner: Error: at once", "asker", "owner: Error: later", "asker", "next"]);
});
