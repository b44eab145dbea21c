/**
 * How a group's queues are shared among its members, the default first. How each does that stands in `broker/allocation.ts`, which does not
 * compile without it.
 */
export const ALLOCATIONS = ["sticky", "average", "circle", "consistent-hash"] as const;
export type Allocation = (typeof ALLOCATIONS)[number];
