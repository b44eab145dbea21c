import { type Inputs, type Micros, type PerRole, ROLES, type Role } from "./inputs.ts";
import { at } from "./line.ts";

/** What nobody measured, and a reader may want otherwise. */
export interface Assumptions {
  readonly coresPerMachine: number;
  /**
   * How much of its time anything is planned to be in use;
   * the rest is for bursts, garbage collection, and what a process that is away leaves to the others.
   */
  readonly busyMax: number;
  readonly networkBitsPerSecond: number;
  readonly diskBytesPerSecond: number;
  /** How often a client sends a heartbeat; the broker's default. */
  readonly heartbeatMs: number;
  /** CPU of the broker for one lease in a heartbeat: one event of a machine. */
  readonly renewalMicros: number;
}
export const ASSUMED: Assumptions = {
  coresPerMachine: 8,
  busyMax: 0.6,
  networkBitsPerSecond: 10e9,
  diskBytesPerSecond: 500e6,
  heartbeatMs: 3_000,
  renewalMicros: 5,
};
/** Of a topic, all of which are on one broker. */
export const TOPIC_QUEUES_MAX = 4_096;
const MICROS = 1_000_000;

/** CPU per message in batches of so many, µs. */
export function microsAt({ cost }: Inputs, batch: number): Micros {
  const micros = (role: Role): number => Math.max(0, at(cost[role], 1 / batch));
  return { server: micros("server"), producer: micros("producer"), consumer: micros("consumer") };
}
/** What a rate takes, in batches of so many messages. Every process is one event loop, so one core's worth. */
export interface Demand {
  readonly processes: PerRole<number>;
  readonly machines: PerRole<number>;
  /** Of one machine of brokers. */
  readonly networkBitsPerSecond: number;
  readonly diskBytesPerSecond: number;
}
export function demandOf(inputs: Inputs, assumed: Assumptions, rate: number, batch: number): Demand {
  const micros = microsAt(inputs, batch);
  const processes = perRole((role) => Math.ceil((rate * micros[role]) / MICROS / assumed.busyMax));
  const machines = perRole((role) => Math.ceil(processes[role] / assumed.coresPerMachine));
  const ratePerMachine = rate / machines.server;
  return {
    processes,
    machines,
    networkBitsPerSecond: ratePerMachine * wireBits(inputs, batch),
    diskBytesPerSecond: ratePerMachine * diskBytes(inputs, batch),
  };
}
const perRole = (of: (role: Role) => number): PerRole<number> =>
  Object.fromEntries(ROLES.map((role) => [role, of(role)])) as Record<Role, number>;
/** All that crosses a broker's network for one message, both ways. */
const wireBits = ({ wireBytes }: Inputs, batch: number): number => at(wireBytes, 1 / batch) * 8;
export const diskBytes = (inputs: Inputs, batch: number): number => at(inputs.diskBytes, 1 / batch);

/** What limits one machine of brokers, and from how many messages a second; the lowest first. */
export function limitsOf(
  inputs: Inputs,
  { coresPerMachine, busyMax, networkBitsPerSecond, diskBytesPerSecond }: Assumptions,
  batch: number,
): readonly { readonly what: string; readonly messagesPerSecond: number }[] {
  return [
    {
      what: "CPU: one event loop per broker process",
      messagesPerSecond: (coresPerMachine * busyMax * MICROS) / microsAt(inputs, batch).server,
    },
    { what: "network", messagesPerSecond: (busyMax * networkBitsPerSecond) / wireBits(inputs, batch) },
    {
      what: "disk, bytes written",
      messagesPerSecond: (busyMax * diskBytesPerSecond) / diskBytes(inputs, batch),
    },
  ].sort((a, b) => a.messagesPerSecond - b.messagesPerSecond);
}

/**
 * Queues that a rate needs when handlers take so long,
 * one message of a queue at a time, and what they mean for each of so many brokers.
 */
export interface QueueDemand {
  readonly queues: number;
  readonly topics: number;
  readonly queuesPerBroker: number;
  readonly brokerMemoryBytes: number;
  /** CPU of one broker for renewing their leases, as a share of a core. */
  readonly renewalShare: number;
  /** How long a broker takes to open them when it starts. */
  readonly openMs: number;
}
export function queuesFor(
  inputs: Inputs,
  assumed: Assumptions,
  load: {
    readonly rate: number;
    readonly handlerMs: number;
    readonly brokers: number;
    readonly linksPerBroker: number;
  },
): QueueDemand {
  const needed = Math.ceil((load.rate * load.handlerMs) / 1_000 / assumed.busyMax);
  const queues = Math.max(needed, load.brokers); // a broker without a queue is none
  const queuesPerBroker = Math.ceil(queues / load.brokers);
  const renewals = (queuesPerBroker * 1_000) / assumed.heartbeatMs;
  return {
    queues,
    topics: load.brokers * Math.ceil(queuesPerBroker / TOPIC_QUEUES_MAX),
    queuesPerBroker,
    brokerMemoryBytes: queuesPerBroker * inputs.idleQueueBytes + load.linksPerBroker * inputs.idleLinkBytes,
    renewalShare: (renewals * assumed.renewalMicros) / MICROS,
    openMs: queuesPerBroker * inputs.openQueueMs,
  };
}

/** Connections when every client process uses every broker: a client has one broker, so it is as many clients. */
export interface LinkDemand {
  readonly perBroker: number;
  readonly perClientProcess: number;
  readonly all: number;
  /** Messages a second that one link of a consumer carries: few of them make no batches. */
  readonly messagesPerSecondOfLink: number;
  readonly beatsPerSecondOfBroker: number;
}
export function linksBetweenAll({ processes }: Demand, { heartbeatMs }: Assumptions, rate: number): LinkDemand {
  const { server, producer, consumer } = processes;
  return {
    perBroker: producer + consumer,
    perClientProcess: server,
    all: server * (producer + consumer),
    messagesPerSecondOfLink: rate / (server * consumer),
    beatsPerSecondOfBroker: ((producer + consumer) * 1_000) / heartbeatMs,
  };
}
