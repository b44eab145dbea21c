import { Driver } from "../frame/drive.ts";
import { type Message, nowMs } from "../frame/message.ts";
import { type System, sentOf } from "../frame/system.ts";
import type { Passage, Task } from "../frame/talk.ts";
import { onTold, orders, startClock, tell } from "./orders.ts";

export async function send(open: NonNullable<System["sender"]>, { load, at }: Task): Promise<void> {
  const sender = await open(load, at);
  const passages: Passage[] = [];
  const note = ({ sentAtMs }: Message): void => void passages.push([sentAtMs, nowMs()]);
  const driver = new Driver(load, sender, load.repeats ? note : undefined);
  tell({ type: "ready" });
  await orders.go;
  // In front of a backlog, the consumer tells where the warm-up ends.
  const warmUp = load.standing > 0 ? 0 : load.warmUp;
  failOn(await driver.send(0, warmUp));
  tell({ type: "warm" });
  await orders.time;
  const done = startClock();
  const holdBack = load.standing > 0 ? backlogKeeper(load.standing) : undefined;
  const errors = await driver.send(warmUp, sentOf(load), holdBack);
  failOn(errors);
  tell({ ...done(), wrong: [], ...(load.repeats ? { passages } : {}) });
  await orders.end;
  await sender.close();
}
/** What was not sent is waited for by the consumer, for good: the row ends with the process. */
function failOn(errors: readonly string[]): void {
  if (errors.length > 0) throw new Error(`sends failed: ${errors.join("; ")}`);
}
/**
 * Holds sends back so that as many messages stand in front of the consumer as should:
 * one more may go for each that was handled.
 */
function backlogKeeper(standing: number) {
  let handled = 0;
  let wake = (): void => {};
  onTold("handled", ({ count }) => {
    handled = count;
    wake();
  });
  return async (nth: number, allAcknowledged: () => Promise<void>): Promise<void> => {
    if (nth === standing) {
      await allAcknowledged();
      tell({ type: "filled" });
    }
    while (nth >= standing + handled)
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
  };
}
