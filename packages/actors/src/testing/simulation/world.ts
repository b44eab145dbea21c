import { type Topic, topic, typed } from "../../message/topic.ts";
import { MemoryDisk } from "../../store/memory-disk.ts";
import type { PromiseId } from "../history/verdict.ts";
import { seededRandom } from "../random.ts";
import { type SimulatedRuntime, simulatedRuntime } from "../simulated-runtime.ts";
import { Effects } from "./effects.ts";
import { HistoryBook, type ProcessHistory } from "./history-book.ts";
import type { Plan, TopicPlan } from "./plan.ts";
import { SimulatedNetwork } from "./simulated-network.ts";
import { SometimesCounters } from "./sometimes.ts";
import { chance, TraceHash } from "./trace-hash.ts";
import { WireFence } from "./wire-fence.ts";

export interface SimulatedBody {
  readonly key: string;
  readonly n: number;
}
export type SimulatedTopic = Topic<SimulatedBody, SimulatedBody, "derived", true>;
export interface Problem {
  readonly promise: PromiseId;
  readonly text: string;
  /** Virtual ms since the start; of what only the history showed: null. */
  readonly atMs: number | null;
}
/** What goes wrong with the store now. */
export interface StoreTrouble {
  eachMs: number;
  failRate: number;
}

/** Everything the processes of one run share: time, network, disk, history, and the world their handlers change. */
export class World {
  readonly plan: Plan;
  readonly runtime: SimulatedRuntime;
  readonly trace = new TraceHash();
  readonly #fence = new WireFence((text) => this.violate("P7", text));
  readonly counters = new SometimesCounters((...sent) => this.#fence.see(...sent));
  readonly problems: Problem[] = [];
  readonly book: HistoryBook;
  readonly network: SimulatedNetwork;
  readonly effects: Effects;
  readonly disk: MemoryDisk;
  readonly topics: readonly SimulatedTopic[];
  readonly storeTrouble: StoreTrouble = { eachMs: 0, failRate: 0 };
  /** The driver's own line of the history. */
  readonly history: ProcessHistory;
  /** Keys about which an order's outcome is not known: it may have been carried out without a line that says so. */
  readonly unclear = new Set<string>();
  /** Phase 2: nothing fails on purpose any more. */
  healed = false;

  constructor(plan: Plan) {
    this.plan = plan;
    const { seed, network, producers } = plan;
    this.runtime = simulatedRuntime({ seed });
    this.book = new HistoryBook(this.runtime, this.trace, (line) => this.counters.line(line));
    this.history = this.book.open("driver#1");
    this.network = new SimulatedNetwork({
      runtime: this.runtime,
      random: this.stream("network"),
      trace: this.trace,
      ...network,
      tap: (...packet) => this.counters.packet(...packet),
    });
    const lossy = producers.filter(({ durability }) => durability === "memory").map(({ name }) => name);
    this.effects = new Effects((promise, text) => this.violate(promise, text), new Set(lossy));
    this.disk = new MemoryDisk({ runtime: this.runtime });
    this.topics = plan.topics.map((of) =>
      topic(of.name, {
        schema: typed<SimulatedBody>(),
        key: (body: SimulatedBody) => body.key,
        queues: of.queues,
        parkedMessagesMax: of.parkedMessagesMax,
        idWindowMs: of.idWindowMs,
        groups: of.groups.map(({ name }) => name),
        retention: { settledByAll: of.settledByAll },
      }),
    );
    for (const of of plan.topics)
      for (const group of of.groups)
        if (group.exhausted === "dead-letter")
          for (let key = 0; key < of.keys; key++) this.effects.mayHaveGaps(of.name, group.name, `key-${key}`);
  }
  topic(name: string): { readonly topic: SimulatedTopic; readonly plan: TopicPlan } {
    const index = this.plan.topics.findIndex((each) => each.name === name);
    return { topic: this.topics[index] as SimulatedTopic, plan: this.plan.topics[index] as TopicPlan };
  }
  /** A stream of random numbers of its own for each purpose, so that one fault more or less does not change all the others. */
  stream(of: string): () => number {
    return seededRandom(Math.floor(chance(this.plan.seed, of) * 2 ** 32));
  }
  violate(promise: PromiseId, text: string): void {
    this.problems.push({ promise, text, atMs: this.runtime.now() });
  }
  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => void this.runtime.setTimeout(resolve, ms));
  }
  keyName(topicName: string, group: string, key: string | null): string {
    return `${topicName} ${group} ${key ?? ""}`;
  }
}
