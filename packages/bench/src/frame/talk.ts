import type { At, Load } from "./system.ts";

export type RoleName = "serve" | "send" | "receive" | "embedded";
export interface Task {
  readonly system: string;
  readonly role: RoleName;
  readonly load: Load;
  readonly at: At;
}
export interface Latency {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}
/** `judge`: nothing more is expected to arrive. */
export type ToRole =
  | { readonly type: "judge" }
  | { readonly type: "cpu" }
  | { readonly type: "go" }
  | { readonly type: "stop" };
export type FromRole =
  | { readonly type: "ready"; readonly address?: string }
  | { readonly type: "cpu"; readonly cpuMs: number }
  | { readonly type: "started"; readonly atMs: number }
  | {
      readonly type: "done";
      readonly atMs: number;
      readonly cpuMs: number;
      readonly wrong: readonly string[];
      readonly latency?: Latency;
    };
