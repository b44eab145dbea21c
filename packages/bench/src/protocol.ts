/** What the parent tells a role, and what a role answers. */
export interface Settings {
  readonly url: string;
  readonly dataFolder: string;
  readonly messages: number;
  readonly bytes: number;
  readonly keys: number;
  readonly queues: number;
  readonly durability: "memory" | "flushed" | "synced";
  readonly store: "lmdb" | "memory";
}
export type ToRole = { readonly type: "go" } | { readonly type: "stop" };
export type FromRole =
  | { readonly type: "ready"; readonly url?: string }
  | { readonly type: "started"; readonly atMs: number }
  | { readonly type: "done"; readonly atMs: number; readonly wrong: readonly string[]; readonly cpuMs: number };
