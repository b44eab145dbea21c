import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { nowMs } from "../frame/message.ts";
import type { Receiver, System } from "../frame/system.ts";
import { LAST_WORDS_FILE, type LastWords, type Task } from "../frame/talk.ts";
import { Handled } from "./handled.ts";
import { onTold, orders, startClock, tell } from "./orders.ts";

/** Short beside the time that the smallest backlog takes. */
const PROGRESS_MS = 2;

export async function receive(open: NonNullable<System["receiver"]>, { load, at, connectsLate }: Task): Promise<void> {
  const handled = new Handled(load);
  onTold("die", () => {
    const lastWords: LastWords = { pieces: handled.pieces?.list ?? [], atMs: nowMs() };
    writeFileSync(join(at.folder, LAST_WORDS_FILE), JSON.stringify(lastWords));
    process.kill(process.pid, "SIGKILL");
  });
  const connect = (): Promise<Receiver> => open(load, at, handled.take);
  const progress =
    load.standing > 0 ? setInterval(() => tell({ type: "handled", count: handled.count }), PROGRESS_MS) : undefined;
  const { receiver, done } = await (connectsLate === true ? warmOnBacklog(connect, handled) : warm(connect, handled));
  const complete =
    handled.pieces === undefined
      ? await Promise.race([handled.all.then(() => true), orders.judge.then(() => false)])
      : await orders.sent.then(() => true);
  if (complete) await receiver.settled();
  const end = done();
  clearInterval(progress);
  const wrong = await handled.verdict();
  tell({ ...end, wrong, ...handled.observed });
  await orders.end;
  await receiver.close();
}

interface Warm {
  readonly receiver: Receiver;
  readonly done: ReturnType<typeof startClock>;
}
/** Connected when it is ready; the clock starts when producer and consumers have the warm-up behind them. */
async function warm(connect: () => Promise<Receiver>, handled: Handled): Promise<Warm> {
  const receiver = await connect();
  tell({ type: "ready" });
  await orders.warmed;
  if (handled.pieces === undefined) await handled.warm;
  else {
    await receiver.shared?.();
    await receiver.settled(); // one of several does not know how many are its own
  }
  tell({ type: "warm" });
  await orders.time;
  return { receiver, done: startClock() };
}
/** Meets what was sent before; the clock starts between two messages, or with the connecting where nothing warms up. */
async function warmOnBacklog(connect: () => Promise<Receiver>, handled: Handled): Promise<Warm> {
  tell({ type: "ready" });
  await orders.go;
  const [receiver, done] = await Promise.all([connect(), handled.warm.then(startClock)]);
  return { receiver, done };
}
