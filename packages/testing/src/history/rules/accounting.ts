import { queueName } from "../describe.ts";
import type { StateEvent } from "../history-event.ts";
import { Account } from "../model/account.ts";
import type { HistoryModel } from "../model/history-model.ts";
import type { Report } from "../verdict.ts";

/**
 * P9 accounted for: in the last `state` of each group and queue, `start ≤ cursor ≤ end`, no offset is in two classes or
 * past the end,
 * and the classes add up to `end − start`, with the store's own counts (`settled`, `backlog`) where it gives them.
 */
export function checkAccounting(model: HistoryModel, report: Report): void {
  for (const { state } of model.subscriptions()) if (state !== undefined) checkState(state, report);
}

function checkState(state: StateEvent, report: Report): void {
  const where = `${queueName(state)} for group ${state.group}`;
  const { start, end, cursor } = state;
  const account = new Account(state);
  report.check("P9");
  if (!(start <= cursor && cursor <= end)) {
    report.violate("P9", `the cursor of ${where} is ${cursor}, outside ${start} to ${end}`, [state]);
    return;
  }
  let furthest = account.listed[0];
  for (const [index, each] of account.listed.entries()) {
    report.check("P9");
    if (each.to > end) {
      report.violate("P9", `${where} ends at ${end}, but offset ${each.to - 1} is listed as ${each.class}`, [state]);
    }
    if (index === 0 || furthest === undefined) continue;
    if (each.from < furthest.to) {
      const text = `offset ${each.from} of ${where} is in two classes, ${furthest.class} and ${each.class}`;
      report.violate("P9", text, [state]);
    }
    if (each.to > furthest.to) furthest = each;
  }
  checkSum(state, account, where, report);
}

function checkSum(state: StateEvent, account: Account, where: string, report: Report): void {
  const { start, end, cursor } = state;
  const listsAllSettled = account.listed.some((each) => each.class === "settled" && each.from < cursor);
  const isListed = (name: string) =>
    account.listed
      .filter((each) => each.class === name && each.to > start)
      .reduce((sum, each) => sum + each.to - Math.max(each.from, start), 0);
  const setAside =
    isListed("filtered") +
    isListed("skipped") +
    isListed("expired") +
    isListed("deadLettered") +
    isListed("parked") +
    isListed("discarded");
  const notBacklog = cursor - start + account.listedBetween(cursor, end);
  report.check("P9");
  if (account.unlisted > notBacklog) {
    report.violate(
      "P9",
      `${where} counts ${account.unlisted} filtered, skipped and expired, but only ${notBacklog} offsets are not backlog`,
      [state],
    );
    return;
  }
  const backlog = account.backlog();
  if (state.backlog !== undefined) {
    report.check("P9");
    if (state.backlog > backlog || state.backlog < backlog - account.unlisted) {
      report.violate(
        "P9",
        `${where} counts a backlog of ${state.backlog}, but ${backlog} offsets from its cursor ${cursor} to its end ${end} are in no other class`,
        [state],
      );
    }
  }
  const settled = state.settled ?? (listsAllSettled ? isListed("settled") : undefined);
  if (settled === undefined) return;
  report.check("P9");
  const sum = settled + setAside + account.unlisted + (state.backlog ?? backlog);
  if (sum === end - start) return;
  const text = `the classes of ${where} add up to ${sum} (${settled} settled, ${setAside + account.unlisted} set aside or passed over, ${state.backlog ?? backlog} backlog), but it holds ${end - start} offsets`;
  report.violate("P9", text, [state]);
}
