import { messageName, queueName } from "../describe.ts";
import type { AbandonedEvent, FailedEvent, HandledEvent, HandlingEvent, QueueRef } from "../history-event.ts";
import type { HistoryModel } from "../model/history-model.ts";
import { type Flow, isLeased, type Leased } from "../model/lines.ts";
import { mayTurnElsewhere } from "../model/policies.ts";
import type { Report } from "../verdict.ts";

/** A handling that has begun and not ended. */
interface Running {
  readonly began: Leased<HandlingEvent>;
  abandoned: AbandonedEvent | undefined;
}

/**
 * P5 serial: a handling is identified by (process, epoch, offset, attempt); it runs from `handling` to `handled` or
 * `failed`, and `aborted` does not end it.
 * - Inside one process two handlings of one key and group overlap only if the earlier one was `abandoned` before and
 *   the later one has a higher epoch.
 * - With `concurrency: 1` no two handlings overlap under one epoch of a queue, whatever their keys.
 * - None is running under a lease when that is `released`; one left running under an earlier lease that was lost, or
 *   abandoned before it was raised, may be.
 * - What was abandoned is never settled under its old epoch.
 *
 * Overlaps between two processes need no clock either: a lease that was released had nothing running, and one that was
 * not is fenced (P7).
 */
export function checkSerial(model: HistoryModel, report: Report): void {
  for (const flow of model.flows()) checkFlow(model, flow, report);
}

function checkFlow(model: HistoryModel, flow: Flow, report: Report): void {
  const running = new RunningHandlings();
  const lost = new Set<string>();
  const abandoned = new Map<string, AbandonedEvent>();
  const isOneAtATime = model.processes.settings(flow.process, flow.topic, flow.group).concurrency === 1;
  const mayStraddleQueues = [...model.processes.all()].some(({ name }) => mayTurnElsewhere(model, name, flow.topic));
  for (const line of flow.lines) {
    if (!isLeased(line)) continue;
    const lease = `${line.queue}\u0000${line.epoch}`;
    switch (line.type) {
      case "handling":
        report.check("P5");
        for (const other of running.ofKey(line.key)) {
          if (mayStraddleQueues && other.began.queue !== line.queue) continue;
          if (other.abandoned !== undefined && other.began.epoch < line.epoch) continue;
          reportOverlap(other, line, "messages of one key run one after another", report);
          break;
        }
        if (isOneAtATime) {
          report.check("P5");
          for (const other of running.ofQueue(line.queue)) {
            const isSameKey = line.key !== null && other.began.key === line.key;
            if (isSameKey || other.began.epoch !== line.epoch) continue;
            reportOverlap(other, line, "with concurrency 1 a queue has one handling at a time", report);
            break;
          }
        }
        running.begin(line);
        break;
      case "handled":
      case "failed":
        running.end(line);
        break;
      case "abandoned": {
        const found = running.find(line);
        if (found !== undefined) found.abandoned = line;
        abandoned.set(`${lease}\u0000${line.offset}`, line);
        break;
      }
      case "lost":
        lost.add(lease);
        break;
      case "released":
        report.check("P5");
        for (const { began, abandoned: left } of running.ofQueue(line.queue)) {
          const isOver =
            began.epoch !== line.epoch && (left !== undefined || lost.has(`${began.queue}\u0000${began.epoch}`));
          if (isOver) continue;
          const text = `${line.process} released ${queueName(line)} for group ${line.group} (epoch ${line.epoch}) while it was still handling ${messageName(began)}`;
          report.violate("P5", text, [began, left, line]);
        }
        break;
      case "settled": {
        const left = abandoned.get(`${lease}\u0000${line.offset}`);
        if (left === undefined) break;
        const text = `${messageName(line)} was settled under epoch ${line.epoch} by ${line.process}, which had abandoned its handler under that epoch`;
        report.violate("P5", text, [left, line]);
        break;
      }
      case "granted":
        break;
    }
  }
  report.check("P5", abandoned.size);
}

function reportOverlap(earlier: Running, later: HandlingEvent, rule: string, report: Report): void {
  const { began, abandoned } = earlier;
  const state = abandoned === undefined ? "runs" : "was abandoned but runs";
  const text = `${later.process} starts handling ${messageName(later)} (epoch ${later.epoch}, attempt ${later.attempt}, group ${later.group}) while its handler of ${messageName(began)} (epoch ${began.epoch}, attempt ${began.attempt}) still ${state}: ${rule}`;
  report.violate("P5", text, [began, abandoned, later]);
}

/** The handlings of one process that have not ended, by key, by queue and by what names them. */
class RunningHandlings {
  readonly #byKey = new Map<string, Set<Running>>();
  readonly #byQueue = new Map<QueueRef, Set<Running>>();
  readonly #byAttempt = new Map<string, Set<Running>>();

  begin(began: Running["began"]): void {
    const running: Running = { began, abandoned: undefined };
    if (began.key !== null) addTo(this.#byKey, began.key, running);
    addTo(this.#byQueue, began.queue, running);
    addTo(this.#byAttempt, attemptName(began), running);
  }

  end(line: HandledEvent | FailedEvent): void {
    const running = this.find(line);
    if (running === undefined) return;
    const { began } = running;
    if (began.key !== null) removeFrom(this.#byKey, began.key, running);
    removeFrom(this.#byQueue, began.queue, running);
    removeFrom(this.#byAttempt, attemptName(began), running);
  }

  /**
   * The handling that a later line speaks of; one that carried over into a raised lease may be named by the new epoch.
   */
  find(line: HandledEvent | FailedEvent | AbandonedEvent): Running | undefined {
    let carriedOver: Running | undefined;
    for (const each of this.#byAttempt.get(attemptName(line)) ?? []) {
      if (each.began.epoch === line.epoch) return each;
      carriedOver = each;
    }
    return carriedOver;
  }

  ofKey(key: string | null): Iterable<Running> {
    return (key === null ? undefined : this.#byKey.get(key)) ?? [];
  }
  ofQueue(queue: QueueRef): Iterable<Running> {
    return this.#byQueue.get(queue) ?? [];
  }
}

function attemptName(of: { readonly queue: QueueRef; readonly offset: number; readonly attempt: number }): string {
  return `${of.queue}/${of.offset}/${of.attempt}`;
}

function addTo<K>(sets: Map<K, Set<Running>>, name: K, running: Running): void {
  const set = sets.get(name);
  if (set === undefined) sets.set(name, new Set([running]));
  else set.add(running);
}

function removeFrom<K>(sets: Map<K, Set<Running>>, name: K, running: Running): void {
  const set = sets.get(name);
  set?.delete(running);
  if (set?.size === 0) sets.delete(name);
}
