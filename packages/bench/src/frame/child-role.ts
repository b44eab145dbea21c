import { Child } from "@seriatim/rig";
import type { FromRole, Task, ToRole } from "./talk.ts";

const CPU_MS_MAX = 5_000;

/** A process of a run, and what it has said. */
export class ChildRole extends Child<ToRole, FromRole> {
  /** Hears of a consumer's progress, where the row asks for it: too many to keep. */
  onHandled: (count: number) => void = () => {};

  /** @param program what the process runs @param execArgv what Node is told */
  constructor(task: Task, program: string, execArgv: readonly string[] = []) {
    super({ name: `${task.system} ${task.role}`, program, args: [JSON.stringify(task)], execArgv });
    this.takes = (said) => {
      if (said.type === "handled") this.onHandled(said.count);
      return said.type === "handled";
    };
  }
  /** CPU it has used so far, ms. */
  async cpuMs(): Promise<number> {
    return (await this.ask({ type: "cpu" }, "cpu", CPU_MS_MAX)).cpuMs;
  }
}
