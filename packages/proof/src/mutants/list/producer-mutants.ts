import type { Mutant } from "../mutant.ts";

/** How producers send, resend and give up. */
export const PRODUCER_MUTANTS: readonly Mutant[] = [
  {
    name: "lane-does-not-rewind",
    breaks: "after a new link or a refusal a lane goes on where it was, and resends nothing",
    promises: ["P1", "P8"],
    file: "producer/lane-buffer.ts",
    find: "    this.#cursor = Math.min(this.#receipted, expected ?? this.#receipted);\n",
    replace: "",
  },
  {
    name: "renumbering-after-timeout",
    breaks: "a send that timed out gives its number to the next one",
    promises: ["P1", "P2", "P3"],
    file: "producer/lane-buffer.ts",
    find: "      const send = old ? this.#numbered.at(this.#cursor - this.#first) : this.#nextWaiting();\n",
    replace: `      if (old && this.#numbered.at(this.#cursor - this.#first)?.stage === "numbered" && this.#numbered.at(this.#cursor - this.#first)?.answered) {
        const index = this.#cursor - this.#first;
        const all = [...this.#numbered];
        this.#numbered.clear();
        for (const [at, each] of all.entries()) if (at !== index) this.#numbered.push(each);
        this.#let(all[index] as PendingSend);
        continue;
      }
      const send = old ? this.#numbered.at(this.#cursor - this.#first) : this.#nextWaiting();
`,
  },
  {
    name: "followers-not-failed",
    breaks: "when a send fails, those of its key called behind it are sent all the same",
    promises: ["P1"],
    file: "producer/sends.ts",
    find: "    if (keys.size === 0) return;\n    const follows",
    replace: "    if (keys.size >= 0) return;\n    const follows",
  },
  {
    name: "lost-tail-not-told",
    breaks: "a lane whose receipted messages the queue has lost goes on without a word",
    promises: ["P3"],
    file: "producer/lane.ts",
    find: "this.#sends.tailLost(this.queue, this.#open?.expected ?? 0, this.buffer.first);",
    replace: "",
  },
  {
    name: "lost-tail-not-compared",
    breaks: "a lane that was refused for good takes its next epoch without a look at what the queue has of the last",
    promises: ["P3"],
    file: "producer/lane.ts",
    find: "        this.#failNumbered(decision.error, false);\n",
    replace: "        this.#failNumbered(decision.error, false);\n        this.#epoch = null;\n",
    test: {
      file: "packages/actors/src/producer/producer.test.ts",
      title: "reports a lost tail also where its right was gone meanwhile",
    },
  },
  {
    name: "numbered-taken-back",
    breaks: "a time-out takes a message back that has been written to a link",
    promises: ["P1", "P2"],
    file: "producer/sends.ts",
    find: 'send.stage === "waiting" || send.stage === "admitted" || send.stage === "buffered";',
    replace: 'send.stage !== "receipted" && send.stage !== "gone";',
    test: {
      file: "packages/actors/src/producer/producer.test.ts",
      title: "leave the outcome of a numbered one open, while its lane goes on",
    },
  },
];
