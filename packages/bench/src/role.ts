// One process of a run. Started by frame/child-role.ts; ends with its parent.
import type { System } from "./frame/system.ts";
import type { Task } from "./frame/talk.ts";
import { attack } from "./roles/attack.ts";
import { embedded } from "./roles/embedded.ts";
import { orders, tell } from "./roles/orders.ts";
import { receive } from "./roles/receive.ts";
import { send } from "./roles/send.ts";
import { systems } from "./systems.ts";

const task = JSON.parse(process.argv[2] ?? "{}") as Task;
const { load, at } = task;

async function play(system: System): Promise<void> {
  switch (task.role) {
    case "send":
      return await send(required(system, "sender"), task);
    case "receive":
      return await receive(required(system, "receiver"), task);
    case "embedded":
      return await embedded(required(system, "embedded"), task);
    case "serve": {
      const server = await required(system, "serve")(load, at);
      tell({ type: "ready", address: server.address });
      await orders.end;
      return await server.close();
    }
    case "probe": {
      const probe = required(system, "probe");
      tell({ type: "ready" });
      await orders.go;
      tell({ type: "probed", ...(await probe(load, at)) });
      return await orders.end;
    }
    case "attack":
      return await attack(required(system, "attacker"), task);
    case "idle": {
      const idlers = await required(system, "idlers")(load, at);
      tell({ type: "ready" });
      await orders.end;
      return await idlers.close();
    }
  }
}
function required<K extends keyof System>(system: System, part: K): NonNullable<System[K]> {
  const found = system[part];
  if (found === undefined) throw new Error(`${task.system} has no "${part}"`);
  return found;
}

const open = systems[task.system];
if (open === undefined) throw new Error(`which system? found "${task.system}"`);
await play(await open());
process.disconnect();
process.exit(0);
