import { drive } from "../frame/drive.ts";
import { nowMs } from "../frame/message.ts";
import type { Sender, System } from "../frame/system.ts";
import type { Passage, Task } from "../frame/talk.ts";
import { onTold, orders, startClock, tell } from "./orders.ts";

export async function send(open: NonNullable<System["sender"]>, { load, at }: Task): Promise<void> {
  const sender = await open(load, at);
  const passages: Passage[] = [];
  const noted: Pick<Sender, "send"> = {
    send: (message, settled) =>
      sender.send(message, (error) => {
        passages.push([message.sentAtMs, nowMs()]);
        settled(error);
      }),
  };
  tell({ type: "ready" });
  await orders.go;
  const done = startClock();
  const wrong = await drive(
    load,
    load.repeats ? noted : sender,
    load.standing > 0 ? backlogKeeper(load.standing) : undefined,
  );
  tell({ ...done(), wrong, ...(load.repeats ? { passages } : {}) });
  await orders.stop;
  await sender.close();
}
/** Holds sends back so that as many messages stand in front of the consumer as should: one more may go for each that was handled. */
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
