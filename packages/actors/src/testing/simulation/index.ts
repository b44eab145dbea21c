export { describePlan } from "./describe-plan.ts";
export { makePlan } from "./make-plan.ts";
export type { Plan } from "./plan.ts";
export { type RunResult, runPlan } from "./run-plan.ts";
export { shrink } from "./shrink.ts";
export { SOMETIMES, type Sometimes } from "./sometimes.ts";
export type { Problem } from "./world.ts";
