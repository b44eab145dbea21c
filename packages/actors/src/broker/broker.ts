import type { Observable } from "rxjs";
import type { Actor } from "xstate";
import type { Actors } from "../contracts/actors.ts";
import type { SystemEvent } from "../contracts/events.ts";
import { type CloseOptions, closeTimeout } from "../contracts/options.ts";
import { asMessagingError, textOf } from "../message/errors.ts";
import type { Keying, Topic, TopicSpec } from "../message/topic.ts";
import type {
  Answers,
  Description,
  Explanation,
  GroupDescription,
  Question,
  TopicDescription,
} from "../protocol/questions.ts";
import { Departure } from "../runtime/departure.ts";
import { Recurring } from "../runtime/recurring.ts";
import { Admission, listening } from "./admission.ts";
import { answerQuestion } from "./answer-question.ts";
import { brokerMachine } from "./broker.machine.ts";
import { type BrokerScope, brokerScope } from "./broker-scope.ts";
import type { BrokerParts, BrokerSettings } from "./broker-settings.ts";
import { endWithin } from "./end-within.ts";
import { LinkedProducers } from "./linked-producers.ts";
import { type Asker, QuestionTurns } from "./question-turns.ts";
import { ReachedWaits } from "./reached-waits.ts";
import type { ServedBroker } from "./served-broker.ts";
import { allRights } from "./session-rights.ts";
import { Topics } from "./topics.ts";

export interface Broker extends AsyncDisposable {
  readonly name: string;
  /** Where it listens, in the words a client dials: of several places the first. */
  readonly address: string;
  /** All of them: of the transport in `modules`, then of those in `listen`. */
  readonly addresses: readonly string[];
  explain<In, Out, O extends boolean>(topic: Topic<In, Out, Keying, O>, key: string): Promise<Explanation>;
  describe(): Promise<Description>;
  describe(topic: TopicSpec): Promise<TopicDescription>;
  describe(topic: TopicSpec, of: { readonly group: string }): Promise<GroupDescription>;
  readonly events$: Observable<SystemEvent>;
  readonly actors: Actors;
  /**
   * Takes no more work, lets what was committed become durable, tells clients to come back later, and lets the data
   * go. What does not end within `timeoutMs` is logged (`warn`) and waited for no longer; a store that hangs still
   * has its data then. Rejects with `OPTION_INVALID`, or what the store failed with.
   */
  close(options?: CloseOptions): Promise<void>;
}
const OWNER_CHECK_MS = 2_500;
const RETENTION_MS = 1_000;

/**
 * Starts a broker on parts that are ready.
 * @throws `STORE_DAMAGED` `TOPIC_MISMATCH` `OPTION_INVALID` `UNAVAILABLE` (cannot listen)
 */
export async function startBroker(settings: BrokerSettings, parts: BrokerParts): Promise<Broker> {
  const broker = new BrokerNode(settings, parts);
  try {
    await broker.start(settings.topics ?? []);
    return broker;
  } catch (error) {
    await broker.fail(error);
    throw error;
  }
}

/** The broker of one process, from its start to its end. */
class BrokerNode implements Broker {
  readonly #parts: BrokerParts;
  readonly #scope: BrokerScope;
  readonly #machine: Actor<typeof brokerMachine>;
  readonly #topics: Topics;
  readonly #served: ServedBroker;
  readonly #admission: Admission;
  readonly #departure = new Departure();
  /** Whoever has this broker in its own process. */
  readonly #asker: Asker;
  readonly #recurring: Recurring[] = [];
  /** Settles with the end that the machine has asked for. */
  readonly #ended: Promise<void>;

  constructor(settings: BrokerSettings, parts: BrokerParts) {
    this.#parts = parts;
    this.#scope = brokerScope(settings, parts, (error) => void this.fail(error));
    const { name, runtime, actors } = this.#scope;
    const machine = actors.start({ kind: "broker", path: `broker/${name}` }, brokerMachine, {});
    const topics = new Topics(this.#scope);
    this.#machine = machine;
    this.#ended = new Promise((resolve) => machine.on("end.due", ({ timeoutMs }) => resolve(this.#end(timeoutMs))));
    this.#topics = topics;
    this.#served = {
      ...{ scope: this.#scope, topics, turns: new QuestionTurns(runtime), reachedWaits: new ReachedWaits() },
      state: () => machine.getSnapshot().value,
    };
    this.#asker = { principal: name, departure: this.#departure, congested: false, onDrained: () => {} };
    this.#admission = new Admission(this.#served, () => machine.getSnapshot().hasTag("admitting"));
  }
  get name(): string {
    return this.#scope.name;
  }
  get address(): string {
    return this.addresses[0] ?? "";
  }
  get addresses(): readonly string[] {
    return this.#admission.addresses;
  }
  get events$(): Observable<SystemEvent> {
    return this.#scope.events.events$;
  }
  get actors(): Actors {
    return this.#scope.actors;
  }

  async start(topics: readonly TopicSpec[]): Promise<void> {
    const transports = this.#parts.transports.map(listening);
    await this.#topics.open(topics);
    await this.#admission.listen(transports, this.#parts.authenticator);
    this.#every(OWNER_CHECK_MS, "looking who owns the data", () => void this.#scope.ownership.verify());
    this.#every(RETENTION_MS, "retention", () => this.#retain());
    this.#machine.send({ type: "broker.started" });
  }
  #every(ms: number, what: string, work: () => unknown): void {
    this.#recurring.push(new Recurring(this.#scope.runtime, ms, work, (error) => this.#turnFailed(what, error)));
  }
  #turnFailed(what: string, error: unknown): void {
    this.#scope.logger.log("error", `broker "${this.name}": ${what} failed; tried again at its next turn`, { error });
  }
  async #retain(): Promise<void> {
    const linked = new LinkedProducers(this.#admission.sessions);
    await this.#topics.retain(
      (queue, producer) => linked.has(queue, producer),
      (what, error) => this.#turnFailed(what, error),
    );
  }

  #answer<Q extends Question>(question: Q): Promise<Answers[Q["kind"]]> {
    return answerQuestion(this.#served, question, { asker: this.#asker, rights: allRights });
  }
  explain<In, Out, O extends boolean>(topic: Topic<In, Out, Keying, O>, key: string): Promise<Explanation> {
    return this.#answer({ kind: "explain", topic: topic.name, key });
  }
  describe(): Promise<Description>;
  describe(topic: TopicSpec): Promise<TopicDescription>;
  describe(topic: TopicSpec, of: { readonly group: string }): Promise<GroupDescription>;
  describe(
    topic?: TopicSpec,
    of?: { readonly group: string },
  ): Promise<Description | TopicDescription | GroupDescription> {
    if (topic === undefined) return this.#answer({ kind: "describe" });
    if (of === undefined) return this.#answer({ kind: "describe.topic", topic: topic.name });
    return this.#answer({ kind: "describe.group", topic: topic.name, group: of.group });
  }

  /** Stops at once: the data are another's, or it could not start. Never rejects. */
  async fail(error: unknown): Promise<void> {
    const { logger } = this.#scope;
    const known = asMessagingError(error);
    logger.log("error", `broker "${this.name}" stops: ${known.message}`, { code: known.code });
    this.#mustEnd("broker.failed", closeTimeout(undefined));
    await this.#ended.catch((left: unknown) =>
      logger.log("error", `broker "${this.name}" has stopped, but could not let everything go: ${textOf(left)}`, {
        error: left,
      }),
    );
  }
  async close(options: CloseOptions = {}): Promise<void> {
    this.#mustEnd("broker.close", closeTimeout(options.timeoutMs));
    await this.#ended;
  }
  #mustEnd(type: "broker.failed" | "broker.close", timeoutMs: number): void {
    if (this.#machine.getSnapshot().status === "active") this.#machine.send({ type, timeoutMs });
  }
  /** Its machine has decided that it ends. */
  async #end(timeoutMs: number): Promise<void> {
    const { runtime, logger, store, actors, events } = this.#scope;
    for (const recurring of this.#recurring) recurring.stop();
    try {
      const left = await endWithin(runtime, timeoutMs, [
        ...this.#admission.ending(),
        this.#topics.ending(),
        { what: () => "the store, which may still hold its data", end: () => store.close() },
      ]);
      if (left.length > 0)
        logger.log("warn", `broker "${this.name}" closed after ${timeoutMs} ms without: ${left.join("; ")}`, {
          timeoutMs,
          left,
        });
    } finally {
      this.#admission.abort();
      this.#machine.send({ type: "broker.stopped" });
      actors.stopAll();
      events.complete();
      this.#departure.happen();
    }
  }
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
