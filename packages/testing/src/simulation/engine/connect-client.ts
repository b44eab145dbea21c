import { type Client, createClient, isMessagingError } from "@seriatim/actors/client";
import type { Incarnation } from "./process-slot.ts";

const RETRY_MS = 200;
/** What a producer says that was taken for dead and finds its name taken over. */
const FENCED = /^producer ".*" was fenced by another of its name$/;

/** A client of this process, as soon as there is a broker for it. Null when the process has been told to end meanwhile. */
export async function connectClient(incarnation: Incarnation, isOver: () => boolean): Promise<Client | null> {
  const { world, runtime, side, history, process } = incarnation;
  for (;;) {
    if (isOver()) return null;
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
            // what the broker failed at was injected: its client tells the user, as it should
            if (level === "error" && isBrokersFault(data)) return;
            if (level === "error" && isForbidden(data)) return;
            if (level === "error" && !FENCED.test(text) && !(world.outlived.has(side.name) && isNameInUse(data)))
              world.violate("P11", `${process} logged an error: ${text} ${detail(data)}`);
          },
        },
      });
      client.events$.subscribe((event) => {
        if (event.type === "link.closed" && event.code === "UNAVAILABLE") world.counters.hit("silentLinkGivenUp");
        if (event.type === "link.closed" && event.code === "INTERNAL") world.counters.hit("ownFaultEndedLink");
      });
      return client;
    } catch {
      await new Promise<void>((resolve) => void runtime.setTimeout(resolve, RETRY_MS));
    }
  }
}

/** What a consumer says whose predecessor lives on. */
const isNameInUse = (data: object): boolean =>
  isMessagingError((data as { readonly error?: unknown }).error, "NAME_IN_USE");

/** What a consumer says whose right was revoked: nothing here is forbidden otherwise. */
const isForbidden = (data: object): boolean =>
  isMessagingError((data as { readonly error?: unknown }).error, "FORBIDDEN");

/** What a client says whose broker has told it of a fault: the broker's name and the reference. */
const isBrokersFault = (data: object): boolean => "reference" in data && "broker" in data;

function detail(data: object): string {
  const { error } = data as { readonly error?: unknown };
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
