export { describePlan } from "./describe-plan.ts";
export { makePlan } from "./make-plan.ts";
export type { Plan } from "./plan.ts";
export { type RunResult, runPlan } from "./run-plan.ts";
export { shrink } from "./shrink.ts";
export { type SimulationReport, simulate } from "./simulate.ts";
export { SimulationError, type SimulationProblem } from "./simulate-error.ts";
export { SIMULATED_FAULTS, type SimulatedFault } from "./simulate-faults.ts";
export type {
  FinishedRun,
  ProcessContext,
  SimulatedProcess,
  SimulatedRun,
  SimulationOptions,
} from "./simulate-options.ts";
export { SOMETIMES, type Sometimes } from "./sometimes.ts";
export type { Problem } from "./world.ts";
