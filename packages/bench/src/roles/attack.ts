import type { System } from "../frame/system.ts";
import type { Task } from "../frame/talk.ts";
import { onTold, orders, tell } from "./orders.ts";

/** Does one thing after the other, and says when each is done. */
export async function attack(open: NonNullable<System["attacker"]>, { load, at }: Task): Promise<void> {
  const act = await open(load, at);
  onTold("attack", ({ attack: order }) => {
    act(order).then(
      (attacked) => tell({ type: "attacked", attacked }),
      (error: unknown) => {
        console.error(error);
        process.exit(1);
      },
    );
  });
  tell({ type: "ready" });
  await orders.end;
}
