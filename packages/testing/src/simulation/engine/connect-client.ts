import { type Client, createClient, isMessagingError } from "@seriatim/actors/client";
import { describeError } from "./describe-error.ts";
import type { Incarnation } from "./process-slot.ts";

const RETRY_MS = 200;
/** What a producer says that was taken for dead and finds its name taken over. */
const FENCED = /^producer ".*" was fenced by another of its name$/;

export interface ConnectOptions {
  /** The process has been told to end. @default never */
  readonly isOver?: () => boolean;
  /** Whether an error that the client logs is a fault of the framework. @default what no injected fault explains */
  readonly isFault?: (incarnation: Incarnation, text: string, data: object) => boolean;
}
/**
 * A client of this process, as soon as there is a broker for it. Null when the process has been told to end meanwhile.
 */
export async function connectClient(
  incarnation: Incarnation,
  { isOver = () => false, isFault = isUnexplained }: ConnectOptions = {},
): Promise<Client | null> {
  const { world, runtime, side, history, process } = incarnation;
  while (!isOver()) {
    try {
      const client = await createClient({
        name: side.name,
        token: side.name,
        transport: world.network.transport(side),
        runtime,
        history,
        logger: {
          log: (level, text, data) => {
            world.trace.text(`${process} ${level} ${text}`);
            if (level === "error" && isFault(incarnation, text, data))
              world.violate("P11", `${process} logged an error: ${text} ${describeError(errorIn(data))}`);
          },
        },
      });
      client.events$.subscribe((event) => {
        if (event.type === "link.closed" && event.code === "UNAVAILABLE") world.counters.hit("silentLinkGivenUp");
        if (event.type === "link.closed" && event.code === "INTERNAL") world.counters.hit("ownFaultEndedLink");
      });
      if (!isOver()) return client;
      await client.close();
    } catch {
      await new Promise<void>((resolve) => void runtime.setTimeout(resolve, RETRY_MS));
    }
  }
  return null;
}
export const errorIn = (data: object): unknown => (data as { readonly error?: unknown }).error;

function isUnexplained({ world, side }: Incarnation, text: string, data: object): boolean {
  // what the broker failed at was injected: its client tells the user the broker's name and the reference, as it should
  if ("reference" in data && "broker" in data) return false;
  const error = errorIn(data);
  // a right was revoked, nothing is forbidden otherwise; or its predecessor lives on
  if (isMessagingError(error, "FORBIDDEN") || (world.outlived.has(side.name) && isMessagingError(error, "NAME_IN_USE")))
    return false;
  return !FENCED.test(text);
}
