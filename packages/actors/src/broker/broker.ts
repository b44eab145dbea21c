import type { Observable } from "rxjs";
import type { Actor } from "xstate";
import type { Actors, Inspect } from "../contracts/actors.ts";
import type { Authenticator, Authorizer } from "../contracts/auth.ts";
import type { SystemEvent } from "../contracts/events.ts";
import { guardedLogger } from "../contracts/guarded.ts";
import type { Logger } from "../contracts/logger.ts";
import type { Metrics } from "../contracts/metrics.ts";
import type { CloseOptions } from "../contracts/options.ts";
import { closeTimeout } from "../contracts/options.ts";
import {
  FRAME_BYTES_MAX,
  type IncomingLink,
  type Listener,
  type Principal,
  type Transport,
} from "../contracts/transport.ts";
import { Counters } from "../log/counters.ts";
import { decodeRecord, storeKeys } from "../log/records.ts";
import { StoreBacklog } from "../log/store-backlog.ts";
import { TailBudget } from "../log/tail-cache.ts";
import { duration, HEARTBEAT_MS_MIN } from "../message/duration.ts";
import { asMessagingError, isMessagingError, MessagingError, optionInvalid, textOf } from "../message/errors.ts";
import type { Keying, Topic, TopicSpec } from "../message/topic.ts";
import { isName } from "../message/topic.ts";
import { Disclosure } from "../protocol/disclosure.ts";
import { CLIENT_TAKES_BYTES_MAX } from "../protocol/outbox.ts";
import { logThrown, ownFault } from "../protocol/own-fault.ts";
import { CODECS, type Codecs } from "../protocol/pick-codec.ts";
import type { Answers, Question } from "../protocol/questions.ts";
import type { Description, Explanation, GroupDescription, TopicDescription } from "../protocol/views.ts";
import { ActorRegistry } from "../runtime/actor-registry.ts";
import { Departure } from "../runtime/departure.ts";
import { EventBus } from "../runtime/event-bus.ts";
import { Recurring } from "../runtime/recurring.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { KnownErrors } from "../store/known-errors.ts";
import type { Store } from "../store/store.ts";
import type { GroupSubscription } from "../subscription/group-subscription.ts";
import { type AskedBroker, answerQuestion } from "./answer-question.ts";
import { type BrokerState, brokerMachine } from "./broker.machine.ts";
import { type EndStep, endWithin } from "./end-within.ts";
import { Instances } from "./instances.ts";
import { LinkedProducers } from "./linked-producers.ts";
import { principalsOf } from "./principals.ts";
import { type Asker, QuestionTurns } from "./question-turns.ts";
import { ReachedWaits } from "./reached-waits.ts";
import { type BrokerLimits, Session, type SessionHost } from "./session.ts";
import { allRights } from "./session-rights.ts";
import { checkedSpec, TopicHome, type TopicHomeOptions } from "./topic-home.ts";
import { Turns } from "./turns.ts";

const FRAME_BYTES_LIMIT = (CLIENT_TAKES_BYTES_MAX * 3) / 4;

export interface BrokerSettings {
  /** Identity for people. @default "broker" */
  readonly name?: string | undefined;
  /** Topics that are there from the start; more by `admin.declare`. @default [] */
  readonly topics?: readonly TopicSpec[] | undefined;
  /** Largest message, packed, in bytes; announced to clients, so that the send fails and not the link. @default 1 MiB */
  readonly messageBytesMax?: number | undefined;
  /** Largest frame, in bytes, at most 48 MiB. @default 4 MiB */
  readonly frameBytesMax?: number | undefined;
  /** How often clients renew their leases, in ms, at least 10. @default 3_000 */
  readonly heartbeatMs?: number | undefined;
  /** Longest lease a consumer can ask for, in ms. @default 60_000 */
  readonly leaseTtlMsMax?: number | undefined;
  /** Frames of the protocol that one link may send per second, as many at once; what is more is read later, and the client is told (`link.limited`). @default 200_000 */
  readonly framesPerSecondMax?: number | undefined;
  /** The same of frames that ask for an answer: questions, orders, lookups of topics, and openings of lanes, members and leases; ten times as many at once. @default 2_000 */
  readonly questionsPerSecondMax?: number | undefined;
  readonly inspect?: Inspect | undefined;
}
export interface Broker extends AsyncDisposable {
  readonly name: string;
  /** Where it listens, in the words a client dials; null before it does. */
  readonly address: string;
  explain<In, Out, O extends boolean>(topic: Topic<In, Out, Keying, O>, key: string): Promise<Explanation>;
  describe(): Promise<Description>;
  describe(topic: TopicSpec): Promise<TopicDescription>;
  describe(topic: TopicSpec, of: { readonly group: string }): Promise<GroupDescription>;
  readonly events$: Observable<SystemEvent>;
  readonly actors: Actors;
  /** Takes no more work, lets what was committed become durable, tells clients to come back later, and lets the data go. What does not end within `timeoutMs` is logged (`warn`) and waited for no longer; a store that hangs still has its data then. Rejects with `OPTION_INVALID`, or what the store failed with. */
  close(options?: CloseOptions): Promise<void>;
}
export interface BrokerParts {
  readonly transport: Transport;
  readonly store: Store;
  readonly runtime: Runtime;
  readonly authenticator: Authenticator;
  /** Whether it tells principals apart. Where it does not (none is bound), all are one, and names, instances and leases belong to nobody. @default true */
  readonly tellsApart?: boolean;
  readonly authorizer: Authorizer;
  readonly logger: Logger;
  /** @default null: nothing is counted */
  readonly metrics?: Metrics | null;
  /** What it speaks. @default all protocol versions there are */
  readonly codecs?: Codecs;
  /** Bytes waiting on a link above which deliveries to it pause: for simulations, whose messages are small. @default 1 MiB */
  readonly congestedBytes?: number;
  /** A packet to a client that could be divided is no larger: for simulations, whose answers are small. @default `frameBytesMax` */
  readonly packetBytes?: number;
  /** Frames of one link until it is the others' turn: for simulations, whose clock stands still meanwhile. @default 1_024 */
  readonly sliceFrames?: number;
}
const OWNER_CHECK_MS = 2_500;
const RETENTION_MS = 1_000;
const OPENING_AT_ONCE = 64;
/** Instances that one opening of the data can tell apart; those after it share the last ordinal, and do not fence each other by it. Leaves room for 2^23 openings. */
const ORDINALS_MAX = 2 ** 30;

/** Starts a broker on parts that are ready. @throws `STORE_DAMAGED` `TOPIC_MISMATCH` `OPTION_INVALID` `UNAVAILABLE` (cannot listen) */
export async function startBroker(settings: BrokerSettings, parts: BrokerParts): Promise<Broker> {
  const broker = new BrokerNode(settings, parts);
  try {
    await broker.start();
    return broker;
  } catch (error) {
    await broker.fail(error);
    throw error;
  }
}

/** The broker of one process: its topics, its sessions, its hold on the data. */
class BrokerNode implements Broker, SessionHost, AskedBroker {
  readonly name: string;
  readonly runtime: Runtime;
  readonly actors: ActorRegistry;
  readonly logger: Logger;
  readonly counters: Counters | null;
  readonly authorizer: Authorizer;
  readonly tellsApart: boolean;
  readonly disclosure: Disclosure;
  readonly limits: BrokerLimits;
  readonly codecs: Codecs;
  readonly congestedBytes: number | undefined;
  readonly packetBytes: number | undefined;
  readonly linkTurns: Turns;
  readonly identity: SessionHost["identity"];
  readonly #parts: BrokerParts;
  readonly #settings: BrokerSettings;
  readonly #bus: EventBus;
  readonly #machine: Actor<typeof brokerMachine>;
  readonly #topics = new Map<string, TopicHome>();
  readonly #declaring = new Map<string, Promise<TopicHome>>();
  readonly #sessions = new Set<Session>();
  readonly #instances = new Instances();
  readonly #tails = new TailBudget();
  readonly #backlog = new StoreBacklog();
  #listener: Listener | null = null;
  #sessionNumber = 0;
  #lastOrdinal: number;
  #ownerSeenAt: number;
  #verifying: Promise<void> | null = null;
  readonly #recurring: Recurring[] = [];
  #closing: Promise<void> | null = null;
  readonly #departure = new Departure();
  readonly turns: QuestionTurns;
  readonly reachedWaits = new ReachedWaits();
  /** Whoever has this broker in its own process. */
  readonly #asker: Asker;

  constructor(settings: BrokerSettings, parts: BrokerParts) {
    this.#settings = settings;
    const logger = guardedLogger(parts.logger);
    this.#parts = { ...parts, logger, store: new KnownErrors(parts.store) };
    this.name = settings.name ?? "broker";
    if (!isName(this.name)) throw optionInvalid("name", "1 to 128 of the characters A-Z a-z 0-9 . _ -", settings.name);
    this.runtime = parts.runtime;
    this.turns = new QuestionTurns(this.runtime);
    this.#asker = { principal: this.name, departure: this.#departure, congested: false, onDrained: () => {} };
    this.logger = logger;
    const { metrics = null } = parts;
    this.counters = metrics === null ? null : new Counters(metrics, logger);
    this.authorizer = parts.authorizer;
    this.tellsApart = parts.tellsApart ?? true;
    this.disclosure = new Disclosure({ at: "broker", runtime: parts.runtime, logger });
    this.codecs = parts.codecs ?? CODECS;
    this.congestedBytes = parts.congestedBytes;
    this.packetBytes = parts.packetBytes;
    this.linkTurns = new Turns(this.runtime, parts.sliceFrames);
    this.limits = {
      messageBytesMax: positive("messageBytesMax", settings.messageBytesMax ?? 1024 * 1024),
      frameBytesMax: positive("frameBytesMax", settings.frameBytesMax ?? FRAME_BYTES_MAX),
      heartbeatMs: duration("heartbeatMs", settings.heartbeatMs, 3_000, HEARTBEAT_MS_MIN),
      leaseTtlMsMax: duration("leaseTtlMsMax", settings.leaseTtlMsMax, 60_000, 1),
      rates: {
        framesPerSecondMax: positive("framesPerSecondMax", settings.framesPerSecondMax ?? 200_000),
        questionsPerSecondMax: positive("questionsPerSecondMax", settings.questionsPerSecondMax ?? 2_000),
      },
    };
    if (this.limits.frameBytesMax > FRAME_BYTES_LIMIT)
      throw optionInvalid(
        "frameBytesMax",
        "at most 48 MiB: in JSON a message grows by a third, and clients take 64",
        this.limits.frameBytesMax,
      );
    if (this.limits.messageBytesMax + 64 * 1024 > this.limits.frameBytesMax)
      throw optionInvalid("frameBytesMax", "at least 64 KiB more than messageBytesMax", this.limits.frameBytesMax);
    this.identity = {
      id: parts.store.id,
      name: this.name,
      durabilityMax: parts.store.durabilityMax,
      logEpoch: parts.store.ownerEpoch,
    };
    this.#lastOrdinal = this.identity.logEpoch * ORDINALS_MAX;
    this.#ownerSeenAt = this.runtime.now();
    this.#bus = new EventBus(this.runtime, (error) =>
      this.logger.log("error", `an observer of the events of broker "${this.name}" threw`, { error }),
    );
    this.actors = new ActorRegistry({
      runtime: this.runtime,
      inspect: settings.inspect,
      onFailure: (path, error) => this.logger.log("error", `actor ${path} failed`, { error: String(error) }),
      dropped: (error) =>
        this.logger.log("error", `an observer of the actors of broker "${this.name}" threw`, { error }),
    });
    this.#machine = this.actors.start({ kind: "broker", path: `broker/${this.name}` }, brokerMachine, {});
  }
  get state(): BrokerState {
    return this.#machine.getSnapshot().value as BrokerState;
  }
  get address(): string {
    return this.#listener?.address ?? "";
  }
  get events$(): Observable<SystemEvent> {
    return this.#bus.events$;
  }
  get topics(): readonly TopicHome[] {
    return [...this.#topics.values()];
  }

  async start(): Promise<void> {
    const { store, transport } = this.#parts;
    if (transport.listen === undefined)
      throw new MessagingError(
        "OPTION_INVALID",
        "the transport given can only dial: a broker needs one that listens, such as wsTransport({ port }) or memoryTransport()",
      );
    const given = (this.#settings.topics ?? []).map(checkedSpec);
    const names = new Set(given.map((spec) => spec.name));
    const stored = (await store.list(storeKeys.topics))
      .map(({ key, value }) => decodeRecord<{ readonly spec: TopicSpec }>(key, value).spec)
      .filter((spec) => !names.has(spec.name));
    await inTurns([...given, ...stored], OPENING_AT_ONCE, async (spec) => void (await this.declare(spec)));
    this.#listener = await transport.listen({
      authenticate: principalsOf({ authenticate: (token, signal) => this.#authenticate(token, signal) }, this),
      frameBytesMax: this.limits.frameBytesMax,
    });
    this.#listener.links$.subscribe((link) => this.#accept(link));
    this.#every(OWNER_CHECK_MS, "looking who owns the data", () => void this.#verifyOwner());
    this.#every(RETENTION_MS, "retention", () => this.#retain());
    this.#machine.send({ type: "broker.started" });
  }
  /** What the authenticator fails with is told to nobody: the link is refused with a reference to it. */
  async #authenticate(token: string | null, signal: AbortSignal): Promise<Principal | null> {
    try {
      return await this.#parts.authenticator.authenticate(token, signal);
    } catch (error) {
      if (signal.aborted) throw error; // nobody waits for it any more
      const end = { at: "broker", path: `broker/${this.name}`, runtime: this.runtime, logger: this.logger } as const;
      const reference = logThrown(end, error, "the authenticator failed; the link is refused", {});
      throw new MessagingError("UNAVAILABLE", "the token could not be checked", { data: { reference } });
    }
  }
  #every(ms: number, what: string, work: () => unknown): void {
    this.#recurring.push(new Recurring(this.runtime, ms, work, (error) => this.#turnFailed(what, error)));
  }
  #turnFailed(what: string, error: unknown): void {
    this.logger.log("error", `broker "${this.name}": ${what} failed; tried again at its next turn`, { error });
  }
  async #retain(): Promise<void> {
    const linked = new LinkedProducers(this.#sessions);
    for (const topic of this.#topics.values()) {
      for (const queue of topic.queues) {
        if (this.#closing !== null) return;
        try {
          if (queue.mayRetain) await queue.retain();
          queue.forgetIdleProducers((producer) => linked.has(queue, producer));
        } catch (error) {
          this.#turnFailed(`retention of ${queue.path}`, error); // the others have theirs
        }
      }
      for (const group of topic.groups) group.forgetIdleNames();
    }
  }

  /** Adds a topic, or finds it with the same settings. @throws `TOPIC_MISMATCH` `OPTION_INVALID` */
  async declare(spec: TopicSpec): Promise<TopicHome> {
    const checked = checkedSpec(spec);
    const known = this.#topics.get(checked.name) ?? (await this.#declaring.get(checked.name));
    if (known !== undefined) {
      if (known.spec.queues !== checked.queues || known.spec.ordered !== checked.ordered)
        throw new MessagingError(
          "TOPIC_MISMATCH",
          `topic "${checked.name}" is here with ${known.spec.queues} queues, ordered: ${known.spec.ordered}; found ${checked.queues}, ordered: ${checked.ordered}`,
          { data: { topic: checked.name } },
        );
      return known;
    }
    const { store, runtime, logger } = this.#parts;
    const options: TopicHomeOptions = {
      brokerId: store.id,
      store,
      runtime,
      actors: this.actors,
      events: this.#bus,
      logger,
      counters: this.counters,
      tails: this.#tails,
      backlog: this.#backlog,
      messageBytesMax: this.limits.messageBytesMax,
      leaseTtlMsMax: this.limits.leaseTtlMsMax,
      onHolder: (subscription, change) => this.#instances.noteHolder(subscription, change),
    };
    const opening = TopicHome.open(options, checked);
    this.#declaring.set(checked.name, opening);
    try {
      const home = await opening;
      this.#topics.set(checked.name, home);
      return home;
    } finally {
      this.#declaring.delete(checked.name);
    }
  }
  topic(name: string): TopicHome | undefined {
    return this.#topics.get(name);
  }

  /* ---------- sessions ---------- */

  #accept(link: IncomingLink): void {
    if (this.state !== "serving" && this.state !== "starting") {
      link.close("unavailable", "the broker is closing");
      return;
    }
    try {
      this.#sessions.add(new Session(this, link, String(++this.#sessionNumber)));
    } catch (error) {
      const path = `broker/${this.name}`;
      const { reference } = ownFault(
        { at: "broker", path, runtime: this.runtime, logger: this.logger },
        error,
        "a new link",
      );
      link.close("internal", reference);
    }
  }
  admit(session: Session): boolean {
    return this.#instances.admit(session);
  }
  ordinalOf(shown: number | null): number {
    // one from later than now was given under an owner of the data that this broker knows nothing of, or with other data
    if (shown !== null && shown <= this.#lastOrdinal) return shown;
    this.#lastOrdinal = Math.min(this.#lastOrdinal + 1, (this.identity.logEpoch + 1) * ORDINALS_MAX - 1);
    return this.#lastOrdinal;
  }
  ended(session: Session): void {
    this.#sessions.delete(session);
    this.#instances.ended(session);
  }
  heldBy(session: Session): Iterable<GroupSubscription> {
    return this.#instances.heldBy(session);
  }

  /* ---------- ownership of the data ---------- */

  ownershipVerified(withinMs: number): Promise<void> | null {
    return this.runtime.now() - this.#ownerSeenAt < withinMs ? null : this.#verifyOwner();
  }
  #verifyOwner(): Promise<void> {
    this.#verifying ??= this.#parts.store.verifyOwner().then(
      () => {
        this.#ownerSeenAt = this.runtime.now();
        this.#verifying = null;
      },
      (error: unknown) => {
        this.#verifying = null;
        // only a new owner ends this broker; a store that did not answer is asked again
        if (isMessagingError(error, "STORE_IN_USE")) void this.fail(error);
        throw error;
      },
    );
    const verifying = this.#verifying;
    verifying.catch(() => {});
    return verifying;
  }

  /* ---------- questions ---------- */

  ask(session: Session, asker: Asker, question: Question): Promise<unknown> {
    return answerQuestion(this, question, { asker, rights: session.rights });
  }
  async #answer<K extends keyof Answers>(question: Question & { readonly kind: K }): Promise<Answers[K]> {
    return (await answerQuestion(this, question, { asker: this.#asker, rights: allRights })) as Answers[K];
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
  get events(): EventBus {
    return this.#bus;
  }

  /* ---------- the end ---------- */

  /** Stops at once: the data are another's, or it could not start. */
  async fail(error: unknown): Promise<void> {
    const known = asMessagingError(error);
    this.logger.log("error", `broker "${this.name}" stops: ${known.message}`, { code: known.code });
    this.#machine.send({ type: "broker.failed" });
    await this.close().catch((left: unknown) =>
      this.logger.log("error", `broker "${this.name}" has stopped, but could not let everything go: ${textOf(left)}`, {
        error: left,
      }),
    );
  }
  close(options: CloseOptions = {}): Promise<void> {
    this.#closing ??= this.#close(closeTimeout(options.timeoutMs));
    return this.#closing;
  }
  async #close(timeoutMs: number): Promise<void> {
    if (this.state === "serving" || this.state === "starting") this.#machine.send({ type: "broker.drain" });
    for (const recurring of this.#recurring) recurring.stop();
    const sessions = [...this.#sessions];
    for (const session of sessions)
      session.close(
        new MessagingError("UNAVAILABLE", `broker "${this.name}" is closing; reconnect later`),
        "unavailable",
      );
    const open = new Set(this.#topics.values());
    const closings = [...open].map((topic) => async () => {
      await topic.close();
      open.delete(topic);
    });
    const { store } = this.#parts;
    const steps: readonly EndStep[] = [
      { what: () => "the listener", end: async () => await this.#listener?.close() },
      {
        what: () => `${this.#sessions.size} link(s) to clients`,
        end: () => Promise.all(sessions.map((session) => session.link.ended)),
      },
      {
        what: () =>
          `changes of ${[...open].map(({ spec }) => `"${spec.name}"`).join(", ")} that the store has not answered`,
        end: () => Promise.all(closings.map((close) => close())),
      },
      { what: () => "the store, which may still hold its data", end: () => store.close() },
    ];
    try {
      const left = await endWithin(this.runtime, timeoutMs, steps);
      if (left.length > 0)
        this.logger.log("warn", `broker "${this.name}" closed after ${timeoutMs} ms without: ${left.join("; ")}`, {
          timeoutMs,
          left,
        });
    } finally {
      for (const session of sessions) session.link.abort();
      this.#machine.send({ type: "broker.stopped" });
      this.actors.stopAll();
      this.#bus.complete();
      this.#departure.happen();
    }
  }
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function positive(option: string, value: number): number {
  if (!Number.isSafeInteger(value) || value < 1) throw optionInvalid(option, "a positive integer", value);
  return value;
}
/** Works through a list, some at a time. */
async function inTurns<T>(items: readonly T[], atOnce: number, work: (item: T) => Promise<void>): Promise<void> {
  for (let from = 0; from < items.length; from += atOnce) await Promise.all(items.slice(from, from + atOnce).map(work));
}
