// A broker under attack in a process of its own, with as much heap as its parent allows. Whoever forks it dials it over
// TCP, or, where it listens in memory, through this process: what is said of a link then goes to and fro as messages of
// the parent's channel.
import type { Link, Transport } from "@seriatim/actors";
import { serveParent, tellParent } from "@seriatim/rig";
import { collectedMemory } from "../resources/memory.ts";
import type { FromBroker, ToBroker } from "./link-messages.ts";
import { type HostileBroker, openBroker, Surroundings } from "./open-broker.ts";

const tell = (message: FromBroker): void => tellParent(message);
const links = new Map<number, Link>();

async function dial(transport: Transport, id: number, token: string | null): Promise<void> {
  try {
    const link = await transport.dial({ signal: new AbortController().signal, token });
    links.set(id, link);
    tell({ type: "link.opened", id });
    link.frames$.subscribe((frame) => tell({ type: "link.frame", id, frame }));
    void link.ended.then((end) => {
      links.delete(id);
      tell({ type: "link.ended", id, end });
    });
  } catch (error) {
    tell({ type: "link.refused", id, text: String(error) });
  }
}

serveParent<HostileBroker, ToBroker>(async (settings) => {
  const { broker, transport } = await openBroker(settings, new Surroundings(), {
    log: (level, text) => tell({ type: "logged", level, text }),
  });
  return {
    ready: { address: broker.address },
    async obey(order) {
      switch (order.type) {
        case "link.dial":
          return void (await dial(transport, order.id, order.token));
        case "link.send":
          return links.get(order.id)?.send(order.frame);
        case "link.close":
          return links.get(order.id)?.close();
        case "link.abort":
          return links.get(order.id)?.abort();
        case "memory":
          return await collectedMemory();
      }
    },
    end: () => broker.close(),
  };
});
