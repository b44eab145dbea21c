import { describe, expect, it } from "vitest";
import { Departure } from "../runtime/departure.ts";
import { simulatedRuntime } from "../runtime/simulated-runtime.ts";
import { type Asker, type QuestionTurn, QuestionTurns, type QuestionTurnsOptions } from "./question-turns.ts";

/** A link that asks. */
class Link implements Asker {
  readonly principal: string;
  readonly departure = new Departure();
  congested = false;
  readonly drained: (() => void)[] = [];
  constructor(principal: string) {
    this.principal = principal;
  }
  onDrained(goOn: () => void): void {
    this.drained.push(goOn);
  }
  drain(): void {
    this.congested = false;
    for (const goOn of this.drained.splice(0)) goOn();
  }
}
class Bench {
  readonly runtime = simulatedRuntime({ seed: 1 });
  readonly turns: QuestionTurns;
  /** Questions, as the work on them began. */
  readonly begun: string[] = [];
  readonly answered: string[] = [];
  readonly refused: string[] = [];
  readonly #ends = new Map<string, (() => void)[]>();
  #asked = 0;
  constructor(options: QuestionTurnsOptions = {}) {
    this.turns = new QuestionTurns(this.runtime, options);
  }
  /** Asks something that is worked on until `end` is called. */
  ask(link: Link, question: string): void {
    const name = `${question}#${this.#asked++}`;
    this.turns
      .ask(link, question, async () => {
        this.begun.push(question);
        await new Promise<void>((resolve) => {
          this.#ends.set(question, [...(this.#ends.get(question) ?? []), resolve]);
        });
        return question;
      })
      .then(
        () => this.answered.push(name),
        (error: { readonly code: string; readonly data: { readonly retryInMs?: number } }) =>
          this.refused.push(`${name} ${error.code} ${error.data.retryInMs ?? ""}`.trim()),
      );
  }
  async end(question: string): Promise<void> {
    this.#ends.get(question)?.shift()?.();
    await this.runtime.settle();
  }
  /** Lets all that have a turn end, until nothing is worked on. */
  async endAll(): Promise<void> {
    while (this.turns.working > 0) {
      for (const ends of this.#ends.values()) for (const end of ends.splice(0)) end();
      await this.runtime.settle();
    }
  }
}

describe("heavy questions", () => {
  it("are worked on two at a time; each has its turn once one before it has ended", async () => {
    const bench = new Bench();
    const link = new Link("a");
    for (const question of ["1", "2", "3", "4"]) bench.ask(link, question);
    expect([bench.begun, bench.turns.waiting]).toEqual([["1", "2"], 2]);
    await bench.end("2");
    expect([bench.begun, bench.turns.waiting]).toEqual([["1", "2", "3"], 1]);
    await bench.endAll();
    expect(bench.begun).toEqual(["1", "2", "3", "4"]);
    expect(bench.turns.working).toBe(0);
  });
  it("give their turn back when they fail, and when whoever asked has gone", async () => {
    const bench = new Bench({ atOnce: 1 });
    const gone = new Link("a");
    const fails = bench.turns.ask(gone, "fails", async () => {
      throw new Error("broken");
    });
    await expect(fails).rejects.toThrow("broken");
    await bench.runtime.settle();
    let rests = 0;
    const endless = bench.turns.ask(gone, "endless", async ({ rest }) => {
      for (;;) {
        await rest();
        if (++rests === 3) gone.departure.happen();
      }
    });
    bench.ask(new Link("a"), "next");
    await expect(endless).rejects.toMatchObject({ code: "CLOSED" });
    await bench.runtime.settle();
    expect([rests, bench.begun, bench.turns.working]).toEqual([3, ["next"], 1]);
  });
  it("of each principal, and of each of its links, take turns, however many one of them asks", async () => {
    const bench = new Bench({ atOnce: 1 });
    const [flood, same, other] = [new Link("a"), new Link("a"), new Link("b")];
    for (let n = 0; n < 50; n++) bench.ask(flood, `flood ${n}`);
    bench.ask(same, "same");
    bench.ask(other, "other 1");
    bench.ask(other, "other 2");
    await bench.endAll();
    expect(bench.begun.slice(0, 6)).toEqual(["flood 0", "flood 1", "other 1", "same", "other 2", "flood 2"]);
    expect(bench.answered).toHaveLength(53);
  });
  it("asked in the same words before the work begins are worked out once for one principal, and each is answered", async () => {
    const bench = new Bench({ atOnce: 1 });
    const links = [new Link("a"), new Link("a"), new Link("b")];
    bench.ask(new Link("c"), "before");
    for (const link of links) for (let n = 0; n < 100; n++) bench.ask(link, "describe");
    await bench.end("before");
    bench.ask(new Link("a"), "describe"); // the work has begun: what it tells may be older than this question
    await bench.endAll();
    expect(bench.begun).toEqual(["before", "describe", "describe", "describe"]);
    expect(bench.answered).toHaveLength(302);
  });
  it("are refused past their bounds, and told when to ask again; what waits of a link that has gone makes room", async () => {
    const bench = new Bench({ atOnce: 1, waitingMax: 2, waitingInAllMax: 3 });
    const [one, two, three] = [new Link("a"), new Link("b"), new Link("c")];
    bench.ask(one, "worked on");
    for (const question of ["1", "2", "3"]) bench.ask(one, question);
    bench.ask(two, "4");
    bench.ask(three, "5");
    await bench.runtime.settle();
    expect(bench.refused).toEqual(["3#3 LIMIT_EXCEEDED 1000", "5#5 LIMIT_EXCEEDED 1000"]);
    one.departure.happen();
    await bench.runtime.settle();
    expect(bench.refused.slice(2)).toEqual(["1#1 CLOSED", "2#2 CLOSED", "worked on#0 CLOSED"]);
    bench.ask(three, "6");
    await bench.endAll();
    expect([bench.begun, bench.turns.waiting]).toEqual([["worked on", "4", "6"], 0]);
    bench.ask(one, "7"); // nobody waits for it
    await bench.runtime.settle();
    expect(bench.refused.at(-1)).toBe("7#7 CLOSED");
  });
  it("of a link that does not read wait until it has drained; others do not", async () => {
    const bench = new Bench({ atOnce: 1 });
    const [stuck, reads] = [new Link("a"), new Link("a")];
    stuck.congested = true;
    for (const question of ["1", "2"]) bench.ask(stuck, question);
    bench.ask(reads, "3");
    await bench.endAll();
    expect([bench.begun, stuck.drained.length]).toEqual([["3"], 1]);
    stuck.drain();
    await bench.endAll();
    expect(bench.begun).toEqual(["3", "1", "2"]);
  });
  it("let everything else have the loop between two answers", async () => {
    const bench = new Bench({ atOnce: 1 });
    const link = new Link("a");
    const order: string[] = [];
    const turn = (question: string) => (_: QuestionTurn) => Promise.resolve(order.push(question));
    for (const question of ["1", "2", "3"]) void bench.turns.ask(link, question, turn(question));
    const other = () => {
      order.push("other");
      if (order.length < 6) bench.runtime.atTurnEnd(() => bench.runtime.defer(other));
    };
    bench.runtime.atTurnEnd(other);
    await bench.runtime.settle();
    expect(order.filter((each) => each !== "other")).toEqual(["1", "2", "3"]);
    expect(order.indexOf("3") - order.indexOf("1")).toBeGreaterThan(2); // something else came in between
  });
});
