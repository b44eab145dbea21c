import type { Codec } from "@seriatim/actors";

/** What travels on a link, as the codec has it. */
type Frame = Parameters<Codec["encode"]>[0][number];
export type FrameType = Frame["type"];
export type QuestionKind = Extract<Frame, { readonly type: "ask" }>["question"]["kind"];
export type Frames = readonly object[];
/** A frame of the broker. */
export type Heard = { readonly type: string } & Readonly<Record<string, unknown>>;
export const encodable = (frames: Frames): readonly Frame[] => frames as readonly Frame[];

/** Principals of the broker that is measured: `stranger` may do nothing, `worker` everything. */
export type PrincipalName = "stranger" | "worker";
