import type { LinkEnd } from "@seriatim/actors";
import type { Memory } from "../resources/memory.ts";

export type ToBroker =
  | { readonly type: "link.dial"; readonly id: number; readonly token: string | null }
  | { readonly type: "link.send"; readonly id: number; readonly frame: Uint8Array }
  | { readonly type: "link.close" | "link.abort"; readonly id: number }
  | { readonly type: "memory" };

/** What a broker in a process of its own tells. */
export type FromBroker =
  | { readonly type: "ready"; readonly address: string }
  | { readonly type: "logged"; readonly level: string; readonly text: string }
  | FromLink
  | ({ readonly type: "memory" } & Memory);
export type FromLink =
  | { readonly type: "link.opened"; readonly id: number }
  | { readonly type: "link.refused"; readonly id: number; readonly text: string }
  | { readonly type: "link.frame"; readonly id: number; readonly frame: Uint8Array }
  | { readonly type: "link.ended"; readonly id: number; readonly end: LinkEnd };
