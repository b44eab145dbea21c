import { messageName } from "../describe.ts";
import type { HistoryModel } from "../model/history-model.ts";
import type { Report } from "../verdict.ts";

/**
 * P11 refuses clearly: every `refused` carries a stable code and says whether the message was appended (`notAppended`)
 * or nobody knows (`unknown`),
 * and every `settleRefused` carries a code. `OUTCOME_UNKNOWN` and `notAppended` exclude each other.
 */
export function checkClearRefusals(model: HistoryModel, report: Report): void {
  for (const line of model.refused) {
    report.check("P11");
    const what =
      line.type === "refused"
        ? `the send of message "${line.id}" to ${line.topic}`
        : `the settling of ${messageName(line)} under epoch ${line.epoch}`;
    const name = `${what} by ${line.process}`;
    if (typeof line.code !== "string" || !/^[A-Z][A-Z0-9]*(_[A-Z0-9]+)*$/.test(line.code)) {
      report.violate(
        "P11",
        `${name} was refused without a code that a program can tell apart (found ${JSON.stringify(line.code)})`,
        [line],
      );
    }
    if (line.type !== "refused") continue;
    if (line.outcome !== "notAppended" && line.outcome !== "unknown") {
      report.violate(
        "P11",
        `${name} was refused without saying whether it was appended (outcome ${JSON.stringify(line.outcome)})`,
        [line],
      );
    } else if (line.code === "OUTCOME_UNKNOWN" && line.outcome === "notAppended") {
      report.violate("P11", `${name} was refused as OUTCOME_UNKNOWN and as not appended at once`, [line]);
    }
  }
}
