import type { SendArgs } from "../contracts/options.ts";
import type { ClientEnvironment } from "../link/client-environment.ts";
import type { Receipt } from "../message/message.ts";
import type { Keying, Topic } from "../message/topic.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { ConsumerSettings } from "./consumer-settings.ts";
import { Credit } from "./credit.ts";
import { DeliveryBuffer } from "./delivery-buffer.ts";
import type { AnyTopic } from "./entry.ts";
import { HistoryRecorder } from "./history-recorder.ts";
import type { KeysInHand, QueueInHand } from "./in-hand.ts";
import type { RetrySchedule } from "./retry-schedule.ts";
import { SettleLog } from "./settle-log.ts";

/** What the consumers of one client share. */
export interface ConsumerEnvironment extends ClientEnvironment {
  readonly inHand: KeysInHand;
  /** What `context.emit` sends through: one for a topic, made when first asked for, closed after all consumers. */
  emitter<In, Out, K extends Keying, O extends boolean>(topic: Topic<In, Out, K, O>): Emitter<In, K>;
}
interface Emitter<In, K extends Keying> {
  send(body: In, ...args: SendArgs<K>): Promise<Receipt>;
}
/** What all workers of one consumer share. */
export interface ConsumerScope {
  readonly environment: ConsumerEnvironment;
  readonly topic: AnyTopic;
  readonly settings: ConsumerSettings;
  readonly schedule: RetrySchedule;
  /** The path of the consumer's actor. */
  readonly path: string;
}

/** What the parts that work on one queue share. */
export class QueueScope {
  readonly environment: ConsumerEnvironment;
  readonly runtime: Runtime;
  readonly topic: AnyTopic;
  readonly settings: ConsumerSettings;
  readonly schedule: RetrySchedule;
  readonly queue: number;
  readonly path: string;
  readonly place: { readonly topic: string; readonly queue: number; readonly group: string };
  readonly recorder: HistoryRecorder;
  /** What has been handled and not confirmed. */
  readonly log: SettleLog;
  readonly credit: Credit;
  /** What has been delivered and is not settled. */
  readonly buffer: DeliveryBuffer;
  /** `null` where the topic is unordered. */
  readonly inHand: QueueInHand | null;

  constructor({ environment, topic, settings, schedule, path }: ConsumerScope, queue: number) {
    this.environment = environment;
    this.runtime = environment.runtime;
    this.topic = topic;
    this.settings = settings;
    this.schedule = schedule;
    this.queue = queue;
    this.path = `${path}/queue/${queue}`;
    const { group, ordered, concurrency, name } = settings;
    this.place = { topic: topic.name, queue, group };
    this.recorder = new HistoryRecorder(environment, this.place, name);
    this.log = new SettleLog(this.recorder);
    this.credit = new Credit(settings.inFlightMax, settings.inFlightBytesMax);
    this.buffer = new DeliveryBuffer(!ordered ? "none" : concurrency === 1 ? "queue" : "key");
    this.inHand = ordered ? environment.inHand.of(topic.name, group, queue) : null;
  }
}
