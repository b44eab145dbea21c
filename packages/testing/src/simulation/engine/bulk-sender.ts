import type { Link } from "@seriatim/actors/client";
import { binaryCodec, type ClientFrame, type Question, type ReadFrame } from "@seriatim/actors/internals";
import { Dice } from "../chance/dice.ts";
import type { LinkSide } from "../network/wires.ts";
import { BULK } from "../watch/strangers.ts";
import type { BulkPlan } from "./fault-plan.ts";
import type { World } from "./world.ts";

const NEVER = 2 ** 50;

/**
 * A client that may be there and thinks of nobody: packets of legal frames by the hundred, all sent at once. It changes
 * nothing that a history tells of, so every promise must hold beside it as it would without.
 */
export class BulkSender {
  readonly #world: World;
  readonly #plan: BulkPlan;
  readonly #side: LinkSide;
  readonly #dice: Dice;
  /** Of what is not answered yet. */
  readonly #beats = new Set<number>();
  #link: Link | null = null;

  constructor(world: World, plan: BulkPlan) {
    this.#world = world;
    this.#plan = plan;
    const name = `${BULK}-${plan.atMs}`;
    this.#dice = new Dice(world.seed + plan.atMs);
    this.#side = { name, runtime: world.processRuntime(name) };
  }
  async send(): Promise<void> {
    const { name } = this.#side;
    try {
      const signal = new AbortController().signal;
      this.#link = await this.#world.network.transport(this.#side).dial({ signal, token: name });
    } catch {
      return; // no broker is there now
    }
    const link = this.#link;
    const unanswered = new Set<number>();
    link.frames$.subscribe((packet) => {
      for (const frame of binaryCodec.decode(packet)) this.#hear(frame, unanswered);
    });
    void link.ended.then(({ code }) => {
      if (code === "violation") this.#world.violate("P11", `the link of ${name} ended as ${code}`);
    });
    const versions = [...binaryCodec.versions];
    const hello: ClientFrame = { type: "hello", versions, instance: name, link: 1, client: name, ordinal: null };
    link.send(binaryCodec.encode([hello]));
    let request = 0;
    for (let packet = 0; packet < this.#plan.packets; packet++) {
      const types = Array.from({ length: this.#dice.whole(1, 3) }, () => this.#dice.pick(FRAMES));
      const frames = Array.from({ length: this.#plan.frames }, () => {
        unanswered.add(++request);
        const frame = this.#dice.pick(types)(request, this.#world.topicSpecs[0]?.name ?? "");
        if (frame.type === "heartbeat") this.#beats.add(request);
        return frame;
      });
      link.send(binaryCodec.encode(frames));
    }
  }
  #hear(frame: ReadFrame, unanswered: Set<number>): void {
    if (frame.type === "refused" && frame.error.code === "LIMIT_EXCEEDED") this.#world.counters.hit("bulkRefused");
    if ("request" in frame && frame.request !== null) unanswered.delete(frame.request);
    // of several in a row the newest is answered
    if (frame.type === "heartbeat.answered")
      for (const number of [...this.#beats].filter((beat) => beat <= frame.beat)) {
        this.#beats.delete(number);
        unanswered.delete(number);
      }
    if (unanswered.size === 0) this.#world.counters.hit("bulkAnswered");
  }
  /** It is gone, and nothing of it goes on. */
  stop(): void {
    this.#link?.abort();
    this.#side.runtime.kill();
  }
}
type Make = (n: number, topic: string) => ClientFrame;
const asks =
  (question: (topic: string) => Question): Make =>
  (request, topic) => ({ type: "ask", request, question: question(topic) });
/** Each changes nothing that others could notice. */
const FRAMES: readonly Make[] = [
  (beat) => ({ type: "heartbeat", beat, grantsSeen: 0, leases: [] }),
  (request, topic) => ({ type: "topic.find", request, topic }),
  (request) => ({ type: "lease.acquire", request, member: 1, queue: 0, resume: null }),
  asks(() => ({ kind: "describe" })),
  asks((topic) => ({ kind: "describe.topic", topic })),
  asks((topic) => ({ kind: "explain", topic, key: "key-0" })),
  asks((topic) => ({ kind: "ends", topic })),
  asks((topic) => ({ kind: "account", topic, group: "group-0" })),
  asks((topic) => ({ kind: "reached", topic, group: "group-0", ends: [{ queue: 0, end: NEVER as never }] })),
  asks((topic) => ({ kind: "aside.list", topic, group: "group-0", after: null, limit: 10 })),
];
