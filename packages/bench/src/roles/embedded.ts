import { Driver } from "../frame/drive.ts";
import { type System, sentOf } from "../frame/system.ts";
import type { Task } from "../frame/talk.ts";
import { Handled } from "./handled.ts";
import { orders, startClock, tell } from "./orders.ts";

/** Both ends, and what lies between, in this process. */
export async function embedded(open: NonNullable<System["embedded"]>, { load, at }: Task): Promise<void> {
  const handled = new Handled(load);
  const { sender, receiver } = await open(load, at, handled.take);
  const driver = new Driver(load, sender);
  tell({ type: "ready" });
  await orders.go;
  const handles = receiver.readBack === undefined;
  const coldErrors = await driver.send(0, load.warmUp);
  if (handles) await handled.warm;
  const done = startClock();
  const errors = await driver.send(load.warmUp, sentOf(load));
  if (handles) await handled.all;
  await receiver.settled();
  const end = done();
  receiver.readBack?.();
  tell({ ...end, wrong: [...coldErrors, ...errors, ...(await handled.verdict())], ...handled.observed });
  await orders.end;
  await sender.close();
  await receiver.close();
}
