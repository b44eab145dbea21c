// A broker under attack in a process of its own, with as much heap as its parent allows. Whoever forks it dials it over TCP, or, where it listens in memory, through this process: what is said
// of a link then goes to and fro as messages of the parent's channel.
import type { Link } from "@seriatim/actors";
import { answerParent, type Said } from "../resources/child-process.ts";
import { collectedMemory } from "../resources/memory.ts";
import type { FromBroker } from "./link-messages.ts";
import { type HostileBroker, openBroker, Surroundings } from "./open-broker.ts";

const settings = JSON.parse(process.argv[4] ?? "{}") as HostileBroker;
const tell = (message: FromBroker): void => void process.send?.(message);
const { broker, transport } = await openBroker(settings, new Surroundings(), {
  log: (level, text) => tell({ type: "logged", level, text }),
});
const links = new Map<number, Link>();

async function dial(id: number, token: string): Promise<void> {
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
async function work(command: Said): Promise<object | undefined> {
  const id = command["id"] as number;
  switch (command.type) {
    case "link.dial":
      await dial(id, command["token"] as string);
      return undefined;
    case "link.send":
      links.get(id)?.send(command["frame"] as Uint8Array);
      return undefined;
    case "link.close":
      links.get(id)?.close();
      return undefined;
    case "link.abort":
      links.get(id)?.abort();
      return undefined;
    case "memory":
      return await collectedMemory();
    default:
      throw new TypeError(`expected a command, found "${command.type}"`);
  }
}
answerParent({ address: broker.address }, work, () => broker.close());
