import type { Epoch, Offset } from "../message/brands.ts";
import type { ErrorCode, MessagingError } from "../message/errors.ts";

type At<Type extends string, Data = unknown> = Readonly<{ type: Type; atMs: number }> & Readonly<Data>;
type OnQueue = { topic: string; queue: number; group: string };
export type SystemEvent =
  | At<"link.opened", { broker: string }>
  /** `reference`, with `INTERNAL`: what the log at the faulty end has it under. */
  | At<"link.closed", { broker: string; code: ErrorCode | null; retryInMs: number | null; reference?: string }>
  /**
   * The client sends more than the broker's limit of that name allows per second: it is read later, and asks nothing
   * more for so long.
   */
  | At<"link.limited", { broker: string; limit: string; max: number; retryInMs: number }>
  | At<
      "request.refused",
      {
        request: "member.join" | "lane.open" | "lease.acquire" | "lease.raise" | "lease.release" | "aside.put";
        topic: string;
        queue: number | null;
        group: string | null;
        code: ErrorCode;
        /** Says which limit, if it is one, and what helps. */
        error: MessagingError;
        /** `null`: not by itself; the broker offers the lease again. */
        retryInMs: number | null;
      }
    >
  | At<"send.refused", { topic: string; key: string | null; code: ErrorCode }>
  | At<"producer.fenced", { producer: string; epoch: Epoch }>
  | At<"group.rebalanced", { topic: string; group: string; members: number; moved: number }>
  | At<"lease.granted", OnQueue & { epoch: Epoch }>
  | At<"lease.released", OnQueue & { epoch: Epoch }>
  | At<"lease.lost", OnQueue & { epoch: Epoch; reason: "expired" | "fenced" | "revoked" }>
  | At<
      "attempt.failed",
      OnQueue & { offset: Offset; key: string | null; attempt: number; error: unknown; retryInMs: number | null }
    >
  | At<"key.parked", OnQueue & { offset: Offset; key: string }>
  | At<"key.redriven", OnQueue & { key: string; reason: string; by: string }>
  | At<"key.discarded", OnQueue & { key: string; reason: string; by: string }>
  | At<
      "message.retried" | "message.skipped" | "message.replaced",
      OnQueue & { offset: Offset; key: string | null; reason: string; by: string }
    >
  /** `group`: of a consumer's name; `null` of a producer's. */
  | At<"name.released", { topic: string; group: string | null; name: string; reason: string; by: string }>
  | At<"message.deadLettered", OnQueue & { offset: Offset; key: string | null }>
  | At<"message.expired", OnQueue & { from: Offset; to: Offset }>
  | At<"queue.halted", OnQueue & { offset: Offset }>
  | At<"settle.refused", OnQueue & { epoch: Epoch; code: ErrorCode; messages: number }>;
