import type { Mutant } from "../mutant.ts";

/** What is delivered, settled, retried and set aside. */
export const DELIVERY_MUTANTS: readonly Mutant[] = [
  {
    name: "cumulative-settle",
    breaks: 'a settle means "everything up to", not the ranges it names',
    promises: ["P3", "P6"],
    file: "queue/apply-settlement.ts",
    find: "for (const [from, to] of settlement.ranges) state.settle(from, Math.min(to, deliveredEnd));",
    replace: "for (const [, to] of settlement.ranges) state.settle(state.cursor, Math.min(to, deliveredEnd));",
  },
  {
    name: "cursor-over-a-gap",
    breaks: "the cursor moves to the end of what was settled first, over what was not",
    promises: ["P3", "P6"],
    file: "queue/subscription-state.ts",
    find: "let next = this.settled.nextAbsent(cursor);",
    replace: "let next = Math.max(cursor, this.settled.pairs()[0]?.[1] ?? cursor);",
  },
  {
    name: "settled-ranges-in-memory",
    breaks: "what was settled above the cursor is not stored",
    promises: ["P3", "P6"],
    file: "queue/subscription-state.ts",
    find: "      this.settled.pairs(),\n      [...this.tried]",
    replace: "      [],\n      [...this.tried]",
  },
  {
    name: "attempts-lost-at-handover",
    breaks: "a new holder is not told how often a message has failed",
    promises: ["P6", "P8"],
    file: "queue/delivery-flow.ts",
    find: "tried: this.#tried(first, this.#position),",
    replace: "tried: this.#tried(first, first),",
  },
  {
    name: "losses-not-counted",
    breaks: "a lease that ends without release does not count against the messages in hand",
    promises: ["P8"],
    file: "queue/holding.ts",
    find: "for (const head of heads) state.noteTried(head, { attempts: 0, losses: 1 });",
    replace: "for (const head of heads) state.noteTried(head, { attempts: 0, losses: 0 });",
  },
  {
    name: "credit-leak",
    breaks: "what is set aside or dropped does not give its credit back",
    promises: ["P8"],
    file: "consumer/worker.ts",
    find: "      this.#credit.left(entry.length);\n      this.hands.buffer.leave(entry);\n",
    replace: "      this.hands.buffer.leave(entry);\n",
  },
  {
    name: "retry-lets-others-pass",
    breaks: "a message that has failed goes to the end of its key's line",
    promises: ["P6"],
    file: "consumer/hands.ts",
    find: "    this.buffer.backOff(lane, dueAt);\n",
    replace: `    if (lane.head === lane.tail) this.buffer.backOff(lane, dueAt);
    else {
      this.buffer.leave(entry);
      this.buffer.add(entry);
    }
`,
  },
  {
    name: "retry-timer-lost",
    breaks: "no timer wakes a message that waits for its next attempt",
    promises: ["P8"],
    file: "consumer/hands.ts",
    find: "    this.#timer.arm(this.buffer.due(now));\n",
    replace: "",
  },
  {
    name: "hands-forgotten-with-lease",
    breaks: "a new lease's handler starts beside one of the same process that has not ended",
    promises: ["P5"],
    file: "consumer/in-hand.ts",
    find: "if (alone ? this.#handlers > 0 : key !== null && (key === this.#key || this.#keys.has(key))) return false;",
    replace: "if (alone && key === undefined) return false;",
  },
  {
    name: "abandoned-without-raise",
    breaks: "a hung handler is abandoned and its message retried under the same epoch",
    promises: ["P5"],
    file: "consumer/hands.ts",
    find: "      this.#hung.add(attempt);\n      this.#owner.hung(attempt);\n",
    replace: `      this.#failed(attempt, timeoutOf(attempt, this.#work.settings.handlerTimeoutMs));
      this.#inHand.free(attempt.entry.key);
`,
  },
  {
    name: "park-without-followers",
    breaks: "with a parked message those of its key that were delivered already are not set aside",
    promises: ["P3", "P6"],
    file: "queue/put-aside.ts",
    find: "parks ? flow.deliveredEnd : frame.offset + 1,",
    replace: "frame.offset + 1,",
  },
  {
    name: "parked-still-in-buffer",
    breaks: "the consumer goes on with what it has of a key while that is being parked",
    promises: ["P6"],
    file: "consumer/worker.ts",
    find: 'kind === "park" && ordered ? this.hands.buffer.dropBehind(entry) : [];',
    replace: 'kind === "halt" && !ordered ? this.hands.buffer.dropBehind(entry) : [];',
  },
  {
    name: "parked-key-delivered",
    breaks: "messages of a parked key that come later are delivered past those that wait",
    promises: ["P6"],
    file: "queue/delivery-flow.ts",
    find: "const strand = key === null ? undefined : aside.parked(key);",
    replace: "const strand = key === null || key.length > 0 ? undefined : aside.parked(key);",
  },
  {
    name: "parked-in-memory",
    breaks: "what was delivered of a key is parked in memory, and not in the commit",
    promises: ["P3", "P9"],
    file: "queue/set-aside.ts",
    find: "for (const follower of followers) writes.push(this.follow(state, strand, follower));",
    replace: "for (const follower of followers) this.follow(state, strand, follower);",
  },
  {
    name: "parked-flag-cleared-before-redrive",
    breaks: "a key opens when its redrive begins, not when its last message is settled",
    promises: ["P6"],
    file: "queue/set-aside.ts",
    find: 'if (to.phase === "redriving") this.#redriving.add(strand);',
    replace: `if (to.phase === "redriving" && strand.key !== null) this.#parkedKeys.delete(strand.key);
    if (to.phase === "redriving") this.#redriving.add(strand);`,
  },
  {
    name: "redriven-failure-dropped",
    breaks: "a redriven message that fails for good lets the others of its key run",
    promises: ["P6", "P9"],
    file: "queue/put-aside.ts",
    find: 'return done([frame.redriven.offset], [aside.turn(strand, { phase: "waiting", attempts, error })]);',
    replace: "return done([frame.redriven.offset], aside.take(state, strand, frame.redriven.offset));",
  },
  {
    name: "aside-limit-ignored",
    breaks: "more is set aside than the topic allows",
    promises: ["P9"],
    file: "queue/put-aside.ts",
    find: "if (aside.messages + scanned.length > spec.parkedMessagesMax) {",
    replace: "if (aside.messages < 0) {",
    test: {
      file: "packages/actors/src/queue/subscription-aside.test.ts",
      title: "halts the queue rather than overtake, and tells it in the refusal",
    },
  },
  {
    name: "dead-letter-parks",
    breaks: "a dead letter holds its key back",
    promises: ["P8"],
    file: "queue/put-aside.ts",
    find: 'const parks = frame.kind === "park" && frame.key !== null;',
    replace: "const parks = frame.key !== null;",
    test: {
      file: "packages/actors/src/queue/subscription-aside.test.ts",
      title: "as dead letter sets it alone aside: successors run on",
    },
  },
];
