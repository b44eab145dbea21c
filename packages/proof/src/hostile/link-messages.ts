import type { LinkEnd } from "@seriatim/actors";

/** What a broker in a process of its own tells without being asked. */
export type FromBroker =
  | { readonly type: "logged"; readonly level: string; readonly text: string }
  | { readonly type: "link.opened"; readonly id: number }
  | { readonly type: "link.refused"; readonly id: number; readonly text: string }
  | { readonly type: "link.frame"; readonly id: number; readonly frame: Uint8Array }
  | { readonly type: "link.ended"; readonly id: number; readonly end: LinkEnd };
