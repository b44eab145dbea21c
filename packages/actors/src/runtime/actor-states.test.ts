import { expect, it } from "vitest";
import type { AnyStateMachine, AnyStateNode } from "xstate";
import { brokerMachine } from "../broker/broker.machine.ts";
import { groupMachine } from "../broker/group.machine.ts";
import { sessionMachine } from "../broker/session.machine.ts";
import { consumerMachine } from "../consumer/consumer.machine.ts";
import { consumerLeaseMachine } from "../consumer/consumer-lease.machine.ts";
import { ACTIVITIES } from "../consumer/consumer-lease.ts";
import type { ActorKind, ActorStates } from "../contracts/actors.ts";
import { connectionMachine } from "../link/connection.machine.ts";
import { laneMachine } from "../producer/lane.machine.ts";
import { producerMachine } from "../producer/producer.machine.ts";
import { queueMachine } from "../queue/queue.machine.ts";
import { leaseMachine } from "../subscription/lease.machine.ts";

/** A worker shows more than its machine's states: see below. */
const MACHINES: { readonly [Kind in Exclude<ActorKind, "worker">]: AnyStateMachine } = {
  broker: brokerMachine,
  session: sessionMachine,
  queue: queueMachine,
  subscription: leaseMachine,
  group: groupMachine,
  connection: connectionMachine,
  producer: producerMachine,
  consumer: consumerMachine,
  lane: laneMachine,
};
/** The type as values: a state that is missing here, or is none, does not compile. */
const STATES: { readonly [Kind in ActorKind]: Readonly<Record<ActorStates[Kind], true>> } = {
  broker: { starting: true, serving: true, draining: true, stopped: true, failed: true },
  session: { handshaking: true, open: true, closing: true, ended: true },
  queue: { recovering: true, active: true, full: true, closing: true, failed: true },
  subscription: {
    quarantined: true,
    vacant: true,
    "leased.flowing": true,
    "leased.suspended": true,
    "leased.halted": true,
    revoking: true,
  },
  group: { stable: true, "rebalancing.settling": true, "rebalancing.moving": true },
  connection: { connecting: true, handshaking: true, open: true, backingOff: true, closed: true },
  producer: { open: true, closing: true, closed: true },
  consumer: { open: true, closing: true, closed: true },
  lane: { idle: true, sending: true, rewinding: true, blocked: true, fenced: true },
  worker: {
    acquiring: true,
    waiting: true,
    handling: true,
    backingOff: true,
    settingAside: true,
    halted: true,
    draining: true,
    released: true,
    lost: true,
  },
};

it.each(Object.keys(MACHINES) as (keyof typeof MACHINES)[])(
  "%s: the states of the type are those its machine can come to",
  (kind) => {
    expect(restingStates(MACHINES[kind]).sort()).toEqual(Object.keys(STATES[kind]).sort());
  },
);
it("worker: the states of the type are the phases of its lease and, while that serves, what goes on under it", () => {
  const { held, ...others } = consumerLeaseMachine.root.states;
  const work = Object.values((held as AnyStateNode).states["work"]?.states ?? {}).filter((node) => !passes(node));
  const phases = [...Object.keys(others), ...work.map(({ key }) => key)];
  const shown = [...phases.filter((phase) => phase !== "serving"), ...ACTIVITIES];
  expect(shown.sort()).toEqual(Object.keys(STATES.worker).sort());
});

/** Every state the machine can be seen in, from its initial one on. */
function restingStates(machine: AnyStateMachine): string[] {
  const seen = new Set<AnyStateNode>();
  const enter = (node: AnyStateNode): void => {
    if (node.type === "compound") {
      for (const first of node.initial.target) enter(first);
      return;
    }
    expect(["atomic", "final"]).toContain(node.type); // `stateName` knows no parallel ones
    if (seen.has(node)) return;
    seen.add(node);
    for (let from: AnyStateNode | undefined = node; from !== undefined; from = from.parent)
      for (const { target } of [...[...from.transitions.values()].flat(), ...(from.always ?? [])])
        for (const to of target ?? []) enter(to);
  };
  enter(machine.root);
  return [...seen].filter((node) => !passes(node)).map((node) => node.path.join("."));
}
/** One that always goes on is never seen. */
const passes = (node: AnyStateNode): boolean => node.always?.some(({ guard }) => guard === undefined) ?? false;
