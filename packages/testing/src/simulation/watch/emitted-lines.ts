import type { HistoryEvent } from "../../history/history-event.ts";

export interface EmittedLine {
  readonly type: "emitted";
  readonly cause: string;
  readonly index: number;
  readonly id: string;
  readonly topic: string;
}
/** What `context.emit` names a message: `emit:group:topic/queue/offset/appendedAtMs#index`. */
const EMITTED = /^emit:([^:]+):([^/]+)\/(\d+)\/(\d+)\/[\d.]+#(\d+)$/;
export const isEmitted = (id: string): boolean => EMITTED.test(id);

/**
 * Says, behind the `handled` of a message, what its handler emitted: the id of what was sent names the place of its
 * cause. What a failed attempt has sent counts for nothing,
 * and may or may not arrive.
 */
export class EmittedLines {
  readonly #sent = new Map<string, Omit<EmittedLine, "type" | "cause">[]>();

  /** A line of the process; what is to be written behind it. */
  hear(line: HistoryEvent): readonly EmittedLine[] {
    if (line.type === "sending" && line.id !== null) {
      const [, group, topic, queue, offset, index] = EMITTED.exec(line.id) ?? [];
      const place = placeName(group, topic, queue, offset);
      if (group !== undefined)
        this.#sent.set(place, [
          ...(this.#sent.get(place) ?? []),
          { index: Number(index), id: line.id, topic: line.topic },
        ]);
    }
    if (line.type !== "handled" || line.id === null || line.id === "") return []; // a cause without an id cannot be named
    const { id: cause } = line;
    return (this.#sent.get(placeName(line.group, line.topic, line.queue, line.offset)) ?? []).map((sent) => ({
      type: "emitted",
      cause,
      ...sent,
    }));
  }
}
const placeName = (...parts: readonly unknown[]): string => parts.join(" ");
