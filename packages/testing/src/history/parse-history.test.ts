import { describe, expect, it } from "vitest";
import type { HistoryEvent } from "./history-event.ts";
import { HistoryScript, threeSent } from "./history-script.fixture.ts";
import { parseHistory } from "./parse-history.ts";

async function parsed(lines: Iterable<string> | AsyncIterable<string>): Promise<HistoryEvent[]> {
  const events: HistoryEvent[] = [];
  for await (const event of parseHistory(lines)) events.push(event);
  return events;
}

function line(process: string, n: number): string {
  return JSON.stringify({ process, n, at: 1_000.5 + n, type: n === 0 ? "start" : "fault", fault: "cut" });
}
const TORN = '{"process":"a#1","n":2,"at":1002.5,"ty';

describe("parseHistory", () => {
  it("reads every line of a history, synchronous or not, and keeps fields it does not know", async () => {
    const script = new HistoryScript();
    const [m0] = threeSent(script);
    const lease = script.consumer("consumer-1#1").granted(1, 1);
    lease.fails(m0);
    lease.aborted(m0);
    lease.abandoned(m0);
    lease.parked(m0, 2);
    lease.deadLettered(m0, 2);
    script.admin("redriven", m0, 3);
    script.admin("discarded", m0, 4);
    script.sought(0, 3, 5);
    lease.does(m0, 6, 2);
    lease.settleRefused(m0);
    lease.released(7);
    lease.lost();
    script.fault("kill", "consumer-1#1");
    script.state(3);
    script.write("flow#1", "transition", { key: "a", from: null, to: "open", version: 1 });
    script.write("flow#1", "emitted", { cause: "m0", index: 0, id: "e0", colour: "red" });
    script.producer("kiosk#1").refused(m0, { code: "QUEUE_FULL", outcome: "notAppended" });
    script.write("kiosk#1", "tailLost", { topic: "orders", queue: 0, from: 0, to: 3 });
    script.end("kiosk#1");
    const lines = script.events.map((event) => JSON.stringify(event));
    expect(await parsed(lines)).toEqual(script.events);
    expect(
      await parsed(
        (async function* () {
          yield* lines;
        })(),
      ),
    ).toEqual(script.events);
  });

  it("skips empty lines and the torn last line of a killed process", async () => {
    expect(await parsed([line("a#1", 0), line("a#1", 1), "", TORN])).toHaveLength(2);
  });

  it("skips a torn last line that others follow, in one file for all", async () => {
    expect(
      await parsed([line("a#1", 0), line("b#1", 0), line("a#1", 1), TORN, line("b#1", 1), line("a#2", 0)]),
    ).toHaveLength(5);
    expect(await parsed([line("a#1", 0), '{"pro', line("b#1", 0)])).toHaveLength(2);
  });

  it("rejects a torn line in the middle of a process", async () => {
    await expect(parsed([line("a#1", 0), line("a#1", 1), TORN, line("a#1", 3)])).rejects.toMatchObject({
      name: "HistoryFormatError",
      code: "HISTORY_LINE_TORN",
      message: "line 3 is torn, yet a#1 goes on at line 4: only the last line of a process may be",
    });
    await expect(parsed([line("a#1", 0), '{"pro', line("a#1", 2)])).rejects.toMatchObject({
      code: "HISTORY_LINE_MISSING",
      message: expect.stringContaining("line 2 is torn, and may be the missing one"),
    });
  });

  it("rejects a gap, a repetition and a missing beginning", async () => {
    for (const numbers of [[0, 1, 3], [0, 1, 1], [1]]) {
      const lines = numbers.map((n) => line("a#1", n));
      await expect(parsed(lines)).rejects.toMatchObject({
        code: "HISTORY_LINE_MISSING",
        message: expect.stringContaining("history of a#1: expected line n = "),
      });
    }
  });

  it("rejects lines that are no history, and says what they lack", async () => {
    const handled = {
      process: "a#1",
      n: 0,
      at: 1,
      type: "handled",
      topic: "orders",
      queue: 0,
      offset: 1,
      id: null,
      key: "a",
      group: "g",
      consumer: "a",
      epoch: 1,
    };
    for (const [text, complaint] of [
      ["server listening", "line 1 is neither JSON nor the beginning of a JSON object"],
      ["[1]", "line 1 is not a JSON object"],
      ['{"process":"a#1","n":0,"at":1,"type":"handeld"}', 'line 1 has the unknown type "handeld"'],
      ['{"process":"a#1","n":0,"at":1,"type":"toString"}', 'line 1 has the unknown type "toString"'],
      ['{"process":"a#1","n":"0","at":1,"type":"start"}', 'line 1 (start) has n "0", expected a whole number'],
      [JSON.stringify(handled), "line 1 (handled) has attempt undefined, expected a whole number"],
      [
        JSON.stringify({ ...handled, attempt: 1, epoch: "7" }),
        'line 1 (handled) has epoch "7", expected a whole number or null',
      ],
    ] as const) {
      await expect(parsed([text])).rejects.toMatchObject({ code: "HISTORY_LINE_INVALID", message: complaint });
    }
  });
});
