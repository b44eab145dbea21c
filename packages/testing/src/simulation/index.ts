export type { Problem } from "./engine/world.ts";
export { describePlan } from "./planned/describe-plan.ts";
export { makePlan } from "./planned/make-plan.ts";
export type { Plan } from "./planned/plan.ts";
export { type RunResult, runPlan } from "./planned/run-plan.ts";
export { shrink } from "./planned/shrink.ts";
export { SIMULATED_FAULTS, type SimulatedFault } from "./programs/draw-plan.ts";
export type {
  FinishedRun,
  ProcessContext,
  SimulatedProcess,
  SimulatedRun,
  SimulationOptions,
} from "./programs/options.ts";
export { type SimulationReport, simulate } from "./programs/simulate.ts";
export { SimulationError, type SimulationProblem } from "./programs/simulation-error.ts";
export { SOMETIMES, type Sometimes } from "./watch/sometimes.ts";
