import type {
  EmittedEvent,
  HistoryDurability,
  HistoryEvent,
  QueueRef,
  RefusedEvent,
  SendingEvent,
  SentEvent,
  SettleRefusedEvent,
  StateEvent,
  TailLostEvent,
  TransitionEvent,
} from "../history-event.ts";
import type { ConsumptionLine, Flow, FlowLine } from "./lines.ts";
import { Processes } from "./processes.ts";
import { type Consumption, type PlaceLine, QueueLog, type Stored, type Subscription } from "./queue-log.ts";

export type SendLine = SendingEvent | SentEvent | RefusedEvent;

/** One message by its id: what its senders wrote, and every place it was seen at. */
export interface Identity {
  readonly topic: string;
  readonly id: string;
  readonly sends: SendLine[];
  readonly places: Stored[];
}

/**
 * Every line of a history in its place: by message, by queue, by subscription, by process. Built in one pass; the rules
 * only read it.
 */
export class HistoryModel {
  readonly processes = new Processes();
  readonly transitions: TransitionEvent[] = [];
  readonly emitted: EmittedEvent[] = [];
  readonly refused: (RefusedEvent | SettleRefusedEvent)[] = [];
  readonly tailLost: TailLostEvent[] = [];
  readonly #logs = new Map<string, Map<QueueRef, QueueLog>>();
  readonly #identities = new Map<string, Map<string, Identity>>();
  readonly #flows = new Map<string, Flow>();

  add(event: HistoryEvent): void {
    this.processes.add(event);
    switch (event.type) {
      case "sending":
        if (event.id !== null) this.#identity(event.topic, event.id).sends.push(event);
        break;
      case "sent":
        this.#addPlace(event.topic, event.queue, event).sent.push(event);
        if (event.id !== null) this.#identity(event.topic, event.id).sends.push(event);
        break;
      case "refused":
        this.refused.push(event);
        if (event.id !== null) this.#identity(event.topic, event.id).sends.push(event);
        break;
      case "tailLost":
        this.tailLost.push(event);
        break;
      case "granted":
        this.#addFlow(event).grants.push(event);
        this.#subscription(event).changes.push(event);
        break;
      case "released":
        this.#addFlow(event).changes.push(event);
        break;
      case "lost":
        this.#addFlow(event);
        break;
      case "handling":
      case "handled":
      case "failed":
      case "abandoned":
        this.#addFlow(event);
        this.#addConsumption(event);
        break;
      case "aborted":
        this.#addConsumption(event);
        break;
      case "settled":
        this.#addFlow(event).changes.push(event);
        this.#addConsumption(event);
        break;
      case "settleRefused":
        this.refused.push(event);
        this.#addConsumption(event);
        break;
      case "deadLettered":
      case "parked":
      case "redriven":
      case "discarded":
        this.#subscription(event).changes.push(event);
        this.#addConsumption(event);
        break;
      case "sought":
        this.#subscription(event).changes.push(event);
        this.#subscription(event).sought.push(event);
        break;
      case "transition":
        this.transitions.push(event);
        break;
      case "emitted":
        this.emitted.push(event);
        break;
      case "state":
        this.#addState(event);
        break;
      case "start":
      case "end":
      case "fault":
        break;
    }
  }

  /** To be called once, when every line has been added. */
  finish(): void {
    for (const identity of this.identities()) {
      const asked = strongest(identity.sends.filter((line) => line.type === "sending").map((line) => line.durability));
      for (const place of identity.places) {
        // Nothing is delivered before it is flushed, where the store can flush at all: then it grants that durability
        // when asked.
        const delivered =
          place.consumptions.length > 0 && asked !== undefined && asked !== "memory" ? "flushed" : undefined;
        place.durability = strongest([place.durability, delivered]);
      }
    }
    for (const log of this.logs()) {
      for (const here of log.places()) {
        for (const stored of here)
          stored.durability = strongest([stored.durability, ...stored.sent.map((line) => line.durability)]);
      }
      log.finish(this.processes.hadPowerLoss());
    }
  }

  *logs(): Iterable<QueueLog> {
    for (const byQueue of this.#logs.values()) yield* byQueue.values();
  }
  *identities(): Iterable<Identity> {
    for (const byId of this.#identities.values()) yield* byId.values();
  }
  *subscriptions(): Iterable<Subscription> {
    for (const log of this.logs()) yield* log.subscriptions.values();
  }
  flows(): Iterable<Flow> {
    return this.#flows.values();
  }
  identity(topic: string, id: string): Identity | undefined {
    return this.#identities.get(topic)?.get(id);
  }
  /** The same id in all topics. */
  identitiesOf(id: string): Identity[] {
    const found: Identity[] = [];
    for (const byId of this.#identities.values()) {
      const identity = byId.get(id);
      if (identity !== undefined) found.push(identity);
    }
    return found;
  }
  log(topic: string, queue: QueueRef): QueueLog {
    let byQueue = this.#logs.get(topic);
    if (byQueue === undefined) {
      byQueue = new Map();
      this.#logs.set(topic, byQueue);
    }
    let log = byQueue.get(queue);
    if (log === undefined) {
      log = new QueueLog(topic, queue);
      byQueue.set(queue, log);
    }
    return log;
  }

  #identity(topic: string, id: string): Identity {
    let byId = this.#identities.get(topic);
    if (byId === undefined) {
      byId = new Map();
      this.#identities.set(topic, byId);
    }
    let identity = byId.get(id);
    if (identity === undefined) {
      identity = { topic, id, sends: [], places: [] };
      byId.set(id, identity);
    }
    return identity;
  }

  #addPlace(topic: string, queue: QueueRef, line: PlaceLine): Stored {
    const stored = this.log(topic, queue).stored(line);
    if (stored.id !== null) {
      const { places } = this.#identity(topic, stored.id);
      if (!places.includes(stored)) places.push(stored);
    }
    return stored;
  }

  #addConsumption(line: ConsumptionLine): void {
    const stored = this.#addPlace(line.topic, line.queue, line);
    let consumption = consumptionOf(stored, line.group);
    if (consumption === undefined) {
      consumption = { stored, subscription: this.#subscription(line), lines: [] };
      stored.consumptions.push(consumption);
      consumption.subscription.consumptions.push(consumption);
    }
    consumption.lines.push(line);
  }

  #addFlow(line: FlowLine): Subscription {
    const name = `${line.process}\u0000${line.topic}\u0000${line.group}`;
    let flow = this.#flows.get(name);
    if (flow === undefined) {
      flow = { process: line.process, topic: line.topic, group: line.group, lines: [] };
      this.#flows.set(name, flow);
    }
    flow.lines.push(line);
    const subscription = this.#subscription(line);
    subscription.processes.add(line.process);
    return subscription;
  }

  #subscription(of: { readonly topic: string; readonly queue: QueueRef; readonly group: string }): Subscription {
    const log = this.log(of.topic, of.queue);
    let subscription = log.subscriptions.get(of.group);
    if (subscription === undefined) {
      subscription = {
        log,
        group: of.group,
        grants: [],
        changes: [],
        sought: [],
        consumptions: [],
        processes: new Set(),
        state: undefined,
      };
      log.subscriptions.set(of.group, subscription);
    }
    return subscription;
  }

  #addState(event: StateEvent): void {
    const subscription = this.#subscription(event);
    subscription.log.endsAt(event.logEpoch, event.end);
    const last = subscription.state;
    const isNewer =
      last === undefined || event.logEpoch > last.logEpoch || (event.logEpoch === last.logEpoch && event.at >= last.at);
    if (isNewer) subscription.state = event;
  }
}

export function consumptionOf(stored: Stored, group: string): Consumption | undefined {
  return stored.consumptions.find((each) => each.subscription.group === group);
}

const STRENGTH: Readonly<Record<HistoryDurability, number>> = { memory: 0, flushed: 1, synced: 2 };

function strongest(of: readonly (HistoryDurability | undefined)[]): HistoryDurability | undefined {
  let best: HistoryDurability | undefined;
  for (const each of of) if (each !== undefined && (best === undefined || STRENGTH[each] > STRENGTH[best])) best = each;
  return best;
}
