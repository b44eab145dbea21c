import type { AnyStateMachine, AnyStateNode } from "xstate";

/**
 * What XState's own actions do that a light actor does, too. Any other needs a mailbox, children or a clock; what
 * `enqueueActions` enqueues cannot be seen beforehand.
 */
const DONE: ReadonlySet<string> = new Set(["xstate.assign", "xstate.emit", "xstate.raise", "xstate.log"]);
const seen = new WeakSet<AnyStateMachine>();

/**
 * A light actor has no clock and no children: it would take `after`, `invoke` and the like, and never do them.
 * @throws Error naming the state and what it uses
 */
export function requireLight(machine: AnyStateMachine): void {
  if (seen.has(machine)) return;
  look(machine.root, machine);
  seen.add(machine);
}
function look(node: AnyStateNode, machine: AnyStateMachine): void {
  const refuse = (what: string): never => {
    throw new Error(
      `state "${node.id}" uses ${what}, which a light actor does not do: keep the machine to assign, emit and events sent to it, or start it with \`ActorRegistry.start\``,
    );
  };
  if (node.after.length > 0) refuse("`after`");
  if (node.invoke.length > 0) refuse("`invoke`");
  const transitions = [...[...node.transitions.values()].flat(), ...(node.always ?? [])];
  const actions = [node.entry, node.exit, node.initial.actions, ...transitions.map((transition) => transition.actions)];
  for (const action of actions.flat()) {
    const name = typeof action === "object" && action !== null ? (action as { readonly type: string }).type : action;
    const known = typeof name === "string" ? machine.implementations.actions[name] : name;
    const { type, delay } = (known ?? {}) as { readonly type?: string; readonly delay?: unknown };
    if (type === undefined) continue; // a function of ours
    if (!DONE.has(type)) refuse(`\`${type.replace("xstate.", "")}\``);
    if (delay !== undefined) refuse(`\`${type.replace("xstate.", "")}\` with a delay`);
  }
  for (const child of Object.values(node.states)) look(child, machine);
}
