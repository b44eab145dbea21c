import type { PrincipalName } from "./wire.ts";

/** The broker with nothing to do but to answer heartbeats. */
export const IDLE = "idle";
const CALLED = { stranger: "without a right", worker: "with every right", idle: "idle" } as const;
export const NAMES = { appendedCpu: "appended byte, CPU, ns", appendedMemory: "appended byte, memory, bytes" } as const;

/** What the figures of a row are called. */
export const figureNames = (principal: PrincipalName | typeof IDLE) => {
  const who = CALLED[principal];
  return {
    bytes: `${who}: a frame, bytes`,
    sent: `${who}: sent, bytes`,
    cpu: `${who}: CPU of a byte, ns`,
    cpuTimes: `${who}: CPU of a byte, × an appended one`,
    memory: `${who}: memory of a byte, bytes`,
    memoryTimes: `${who}: memory of a byte, × an appended one`,
    p50: `${who}: heartbeat p50, ms`,
    p99: `${who}: heartbeat p99, ms`,
    longest: `${who}: heartbeat longest, ms`,
    waitedTimes: `${who}: heartbeat p99, × idle`,
    answered: (what: string) => `${who}: answers, ${what}`,
  };
};
