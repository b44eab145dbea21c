import type { TopicSpec } from "@seriatim/actors/client";
import { type SimulatedRuntime, seededRandom, simulatedRuntime } from "@seriatim/actors/internals";
import { MemoryDisk } from "@seriatim/actors/store";
import type { PromiseId } from "../../history/verdict.ts";
import { chance, TraceHash } from "../chance/trace-hash.ts";
import { ProcessRuntime } from "../network/process-runtime.ts";
import { SimulatedNetwork } from "../network/simulated-network.ts";
import type { LinkSide } from "../network/wires.ts";
import { SometimesCounters } from "../watch/counters.ts";
import { ExclusiveWatch } from "../watch/exclusive-watch.ts";
import { HistoryBook, type ProcessHistory } from "../watch/history-book.ts";
import { Overheard } from "../watch/overheard.ts";
import { RightsWatch } from "../watch/rights-watch.ts";
import { SecretWatch } from "../watch/secret-watch.ts";
import { INTRUDER } from "../watch/strangers.ts";
import { WireFence } from "../watch/wire-fence.ts";
import { describeError } from "./describe-error.ts";
import type { BrokerPlan, NetworkPlan } from "./fault-plan.ts";

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
  /** Commits that have not ended. */
  applying: number;
}
export interface WorldOptions {
  readonly seed: number;
  readonly broker: BrokerPlan;
  readonly network: NetworkPlan;
  readonly topics: readonly TopicSpec[];
}

/** Everything the processes of one run share, whoever they are: time, network, disk, history. */
export class World {
  readonly seed: number;
  readonly broker: BrokerPlan;
  readonly topicSpecs: readonly TopicSpec[];
  readonly runtime: SimulatedRuntime;
  readonly trace = new TraceHash();
  readonly #fence = new WireFence((text) => this.violate("P7", text));
  readonly #secrets = new SecretWatch((text) => this.violate("P11", text));
  readonly #exclusive = new ExclusiveWatch((text) => this.violate("P4", text));
  /** Whose rights are revoked. */
  readonly rights = new RightsWatch(
    (text) => this.violate("P11", text),
    () => this.runtime.now(),
  );
  readonly counters = new SometimesCounters((frame, to, dialler) => {
    this.#fence.see(frame, to, dialler);
    this.#secrets.see(frame, to);
    this.overheard.see(frame, dialler.name);
    this.rights.see(frame, to, dialler);
  });
  /** What an intruder may know. */
  readonly overheard = new Overheard();
  readonly problems: Problem[] = [];
  readonly book: HistoryBook;
  readonly network: SimulatedNetwork;
  readonly disk: MemoryDisk;
  readonly storeTrouble: StoreTrouble = { eachMs: 0, failRate: 0, applying: 0 };
  /** The longest lease a broker that starts now allows; null: as long as it likes. */
  leaseTtlMsMax: number | null = null;
  /** Processes that were taken for dead and replaced: their names may still be in use. */
  readonly outlived = new Set<string>();
  /** The driver's own line of the history. */
  readonly history: ProcessHistory;
  /** The frame that the broker is to fail at next. */
  ownFault: { readonly frame: string; readonly look: number } | null = null;
  /** Tokens that are looked at now are good for so long; null: as long as the link. */
  tokenGoodForMs: number | null = null;
  /** Phase 2: nothing fails on purpose any more. */
  healed = false;
  /** Everything is dealt with: whoever goes now stays away. */
  isOver = false;

  constructor({ seed, broker, network, topics }: WorldOptions) {
    this.seed = seed;
    this.broker = broker;
    this.topicSpecs = topics;
    this.runtime = simulatedRuntime({ seed });
    this.book = new HistoryBook(this.runtime, this.trace, (line) => {
      this.counters.line(line);
      this.#exclusive.hear(line);
    });
    this.history = this.book.open("driver#1");
    this.network = new SimulatedNetwork({
      runtime: this.runtime,
      random: this.stream("network"),
      trace: this.trace,
      ...network,
      tap: (what, from, to, packet, dialler) => {
        if (dialler.name !== INTRUDER) this.counters.packet(what, from, to, packet, dialler);
      },
      onHeldBack: () => this.counters.hit("linkHeldBack"),
      onOutdated: () => this.counters.hit("oldSessionFrameRefused"),
    });
    this.counters.now = () => this.runtime.now();
    this.disk = new MemoryDisk({ runtime: this.runtime });
  }
  spec(topic: string): TopicSpec | undefined {
    return this.topicSpecs.find(({ name }) => name === topic);
  }
  /**
   * A stream of random numbers of its own for each purpose, so that one fault more or less does not change all the
   * others.
   */
  stream(of: string): () => number {
    return seededRandom(Math.floor(chance(this.seed, of) * 2 ** 32));
  }
  /** The time of one process, of which nothing may be thrown that nobody catches. */
  processRuntime(process: string, wallAheadMs = 0): ProcessRuntime {
    return new ProcessRuntime({
      base: this.runtime,
      random: this.stream(process),
      wallAheadMs,
      onCrash: (error) => this.violate("P11", `${process} threw what nobody caught: ${describeError(error)}`),
    });
  }
  violate(promise: PromiseId, text: string): void {
    this.problems.push({ promise, text, atMs: this.runtime.now() });
  }
  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => void this.runtime.setTimeout(resolve, ms));
  }
  /** Nothing of this incarnation goes on. With `silent`, as if its machine had lost power: nobody is told. */
  processDied(_process: string, side: LinkSide, silent: boolean): void {
    this.network.processDied(side, silent);
  }
}
