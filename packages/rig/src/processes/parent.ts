import { isMessagingError } from "@seriatim/actors";
import type { Said } from "./child.ts";

/** What a child does once it knows what it is to be. */
export interface ChildWork<Order extends Said> {
  /** What is said of it with `ready`. */
  readonly ready?: object;
  /** Does what it is told; an object that comes of it, now or later, is told under the order's own name. */
  obey?(order: Order): unknown;
  /** Ends in order. What it tells last still arrives. */
  end(options: { readonly timeoutMs: number }): Promise<void>;
}
/** What `Child` says to every child; all else is an order. */
type FromChild<Spec> =
  | { readonly type: "begin"; readonly spec: Spec }
  | { readonly type: "guard"; readonly pids: readonly number[] }
  | { readonly type: "end"; readonly timeoutMs: number };

/**
 * The child's side of `Child`: this process is what its parent says, until it is told to end or its parent has gone.
 * What nobody caught is told to the parent, and ends the process.
 */
export function serveParent<Spec, Order extends Said>(start: (spec: Spec) => Promise<ChildWork<Order>>): void {
  let starting: Promise<ChildWork<Order>> | null = null;
  let work: ChildWork<Order> | null = null;
  let guarded: readonly number[] = [];
  process.on("disconnect", () => {
    for (const pid of guarded) wake(pid);
    process.exit(0);
  });
  if (!process.connected) process.exit(0);
  process.on("SIGINT", () => {}); // Ctrl-C reaches the whole group; the parent says what happens
  process.on("uncaughtException", failParent);
  process.on("unhandledRejection", failParent);

  async function obey(order: Order): Promise<void> {
    const answer = await (await starting)?.obey?.(order);
    if (typeof answer === "object" && answer !== null) tellParent({ ...answer, type: order.type });
  }
  async function hear(message: FromChild<Spec>): Promise<void> {
    if (message.type === "begin") {
      starting = start(message.spec);
      work = await starting;
      tellParent({ ...work.ready, type: "ready" });
    } else if (message.type === "guard") guarded = message.pids;
    else if (message.type === "end") {
      await work?.end({ timeoutMs: message.timeoutMs });
      sendLast({ type: "ended" }, 0);
    } else await obey(message); // all else is an order
  }
  process.on("message", (message: FromChild<Spec>) => void hear(message).catch(failParent));
}

export function tellParent(message: Said): void {
  if (process.connected) process.send?.(message, (error: Error | null) => error !== null && process.exit(1));
}
/** This process cannot go on. */
export function failParent(error: unknown): void {
  const code = isMessagingError(error) ? error.code : null;
  if (code === null) console.error(error);
  const message = error instanceof Error ? error.message + (code === null ? whereOf(error) : "") : String(error);
  sendLast({ type: "failed", code, message }, 1);
}
function sendLast(message: object, status: number): void {
  if (!process.connected) process.exit(status);
  process.send?.(message, () => process.exit(status));
}
/** An error that nobody foresaw says where it was thrown. */
const whereOf = (error: Error): string =>
  error.stack
    ?.split("\n")
    .find((line) => line.startsWith("    at "))
    ?.replace("    at", " at") ?? "";

function wake(pid: number): void {
  try {
    process.kill(pid, "SIGCONT");
  } catch {
    // it has ended
  }
}
