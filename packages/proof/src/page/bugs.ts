import type { PromiseId } from "@seriatim/testing";

/** What keeps a bug from coming back: a frozen plan of the simulation, or a test. */
export type Kept =
  | { readonly regression: number }
  /** `test`: words of its title. */
  | { readonly file: string; readonly test: string };

export interface Bug {
  readonly broke: string;
  /** Empty: it was wrong, and no promise says so. */
  readonly promises: readonly PromiseId[];
  readonly foundBy: string;
  /** How, and where; `null`: fixed before notes were kept of that. */
  readonly fixed: string | null;
  /** `null`: by no test of its own. */
  readonly kept: Kept | null;
}
const CRASH_TESTS = "packages/store-lmdb/src/lmdb-flips.proof.test.ts";
const REPEAT_TESTS = "packages/actors/src/broker/repeats.test.ts";
const ASIDE_TESTS = "packages/actors/src/subscription/subscription-aside.test.ts";

/** Bugs of the product that these means found, each fixed. Written by hand; newest first. */
export const BUGS: readonly Bug[] = [
  {
    broke:
      "a queue that filled up while batches were on their way refused those behind before it had answered them; the client took that for a broken protocol and ended the link, again and again while the queue was full",
    promises: [],
    foundBy: "tests of producers, once a real broker took a fake one's place",
    fixed: "a refusal waits for the answers to what came before it (session-lanes.ts)",
    kept: {
      file: "packages/actors/src/producer/producer.test.ts",
      test: "keeps its link, and the order of answers, when a queue fills up while batches are on their way",
    },
  },
  {
    broke:
      "a consumer that was closing, and whose last lease had run out while its link was away, went on joining on the next link although it had left",
    promises: [],
    foundBy: "tests of consumers under faults, once a real broker took a fake one's place",
    fixed: "what has left meanwhile does not go on (membership.ts)",
    kept: {
      file: "packages/actors/src/consumer/consumer.test.ts",
      test: "ends on the next link when its lease has run out meanwhile",
    },
  },
  {
    broke:
      "an attempt whose time was over, and whose worker then had to stop before its handler ended, was put back as if it had not been made; had the handler ended well, it even counted as handled",
    promises: ["P6"],
    foundBy: "simulation, seed 258230677, drawn from a commit's hash",
    fixed:
      "what an attempt has come to stays so: timed out weighs more than told to stop, a lost lease more than both (consumer/attempt.ts)",
    kept: { file: "packages/actors/src/consumer/leases.test.ts", test: "count as failed what had timed out before" },
  },
  {
    broke:
      "(the simulation's bound, no fault of a promise) messages that kill their processes took a lease for many of the messages before them, and the run more time than it was given: the broker counts what stands first as in hand, see rule 23",
    promises: ["P8"],
    foundBy: "simulation, seeds 42001408 and 42002207",
    fixed:
      "the bound has a lease for each message of such a queue (make-plan.ts); which message is blamed is as before, and told in docs/protocol.md",
    kept: {
      file: "packages/testing/src/simulation/planned/make-plan.test.ts",
      test: "leaves time for the leases that go with killed processes",
    },
  },
  {
    broke:
      "(the simulation's bound, no fault of the system) a run in which every message is handled into the one queue of a slow group was given no longer to drain than others, and needed 62.5 s instead of 60",
    promises: ["P8"],
    foundBy: "simulation, seed 20000489 (a false alarm)",
    fixed: "the time a run has is that for coming back from faults, and that for the work itself (make-plan.ts)",
    kept: {
      file: "packages/testing/src/simulation/planned/make-plan.test.ts",
      test: "leaves time for what there is to do when the faults are over",
    },
  },
  {
    broke:
      "what had been settled when the answer was lost with its link was told by the resume, and counted as settled in the change of the resume",
    promises: [],
    foundBy: "review of the next one",
    fixed: "the answers that may have been lost are sent again ahead of the grant (repeats.ts, lease-requests.ts)",
    kept: { file: REPEAT_TESTS, test: "is answered with the change in which it was applied, before the grant; once" },
  },
  {
    broke:
      "for want of room a queue halted at a message, the answer (`LIMIT_EXCEEDED`) was lost with its link, and a person replaced the message, which set it aside; the holder, asking again, was told that it had set the message aside itself, in the change of the replace: one revision told two changes, and what the person had run again counted as parked. The key was as it should be",
    promises: ["P4", "P6"],
    foundBy: "simulation, seed 7310133",
    fixed:
      "each message set aside is stored with the change in which its holder did that, or with none; a repeat is answered from it (set-aside.ts, settle.ts)",
    kept: { regression: 7310133 },
  },
  {
    broke: "the same, after orders about other keys of the queue",
    promises: ["P4", "P6"],
    foundBy: "simulation, seed 9100075",
    fixed: "likewise",
    kept: { regression: 9100075 },
  },
  {
    broke:
      "a message was set aside, later an earlier one of its key; the first, asked again, was answered with the change of the second, and with all that the key had gathered behind it",
    promises: ["P4"],
    foundBy: "review of the one before",
    fixed: "likewise (set-aside.ts)",
    kept: { file: ASIDE_TESTS, test: "names its own change and what went in it, whatever of its key went since" },
  },
  {
    broke:
      "a redriven message failed again, the answer was lost, and a person had it run again (redrive, retry, replace): the repeat put it back, and the order had no effect",
    promises: [],
    foundBy: "review of the one before",
    fixed: "within a lease a queue remembers what went back, and does not put it back twice (repeats.ts)",
    kept: { file: REPEAT_TESTS, test: "runs again, from the head of its key and with all its attempts" },
  },
  {
    broke:
      "a queue halted at a message, the answer was lost, and a person had the message run again: the repeat halted the queue again",
    promises: [],
    foundBy: "review of the one before",
    fixed: "within a lease a queue halts at a message once (repeats.ts)",
    kept: { file: REPEAT_TESTS, test: "does not halt the queue again where a person said that its message runs again" },
  },
  {
    broke:
      "a key was parked, the answer was lost, and a person discarded what was parked: new messages of the key came before the answer to the repeat, and the consumer, which still held the key back, dropped them, and handled later ones first",
    promises: ["P6", "P8"],
    foundBy: "review of the one before",
    fixed: "nothing is delivered between such a question and its answer (subscription.ts)",
    kept: { file: REPEAT_TESTS, test: "is answered before anything of its key comes" },
  },
  {
    broke: "a due time of minus zero came back as another value after it was read from JSON and written again",
    promises: [],
    foundBy: "fuzzing of JSON packets, seed 20261129, input 168,308",
    fixed: "it is packed as zero (packed.ts)",
    kept: { file: "packages/actors/src/protocol/fuzz-corpus.fixture.ts", test: "a due time of minus zero" },
  },
  {
    broke:
      "a list of what is set aside told -1 messages behind a head that was settled while others of the list were read, and the broker's process ended",
    promises: ["P11"],
    foundBy: "simulation, seed 8, and seed 170 with power losses, once frames of a turn travelled together",
    fixed: "an entry that has ended meanwhile is left out (set-aside-orders.ts)",
    kept: {
      file: "packages/testing/src/simulation/planned/memory-receipts.proof.test.ts",
      test: "lose nothing in silence (50 seeds from %i)",
    },
  },
  {
    broke:
      "the checker took a line without an id to be about the message that, after a power loss, stood in the place of another, though it named the other's key",
    promises: ["P6"],
    foundBy: "simulation, seed 816 (a false alarm)",
    fixed: "where a line or a message has no id, its key decides (history/model/queue-log.ts)",
    kept: { regression: 816 },
  },
  {
    broke:
      "the checker took all that stood behind a place for lost when that place had gone to one message, to another after a power loss, and to the first again after the next",
    promises: ["P3"],
    foundBy: "simulation with power losses, seed 194 (a false alarm)",
    fixed: "each turn of a place is a cut of its own (history/model/queue-log.ts)",
    kept: {
      file: "packages/testing/src/history/rules/no-loss.test.ts",
      test: "does not take what stands behind a place that went to one message, to another, and to the first again for lost",
    },
  },
  {
    broke:
      "the store failed while a group was begun, so that only some of its queues knew it; it was begun anew, and those queues told the group that had failed when a lease came free: nobody was offered it",
    promises: ["P8"],
    foundBy: "simulation with 12 messages, seed 53901",
    fixed: "a group is begun on all queues or on none (group.ts)",
    kept: { regression: 53901 },
  },
  {
    broke:
      "(the simulation's driver, no fault of the system) a broker that waited to start again when it was frozen and replaced took the data back when it woke up, and was killed with the healing",
    promises: ["P8"],
    foundBy: "simulation with 12 messages, seed 65222 (a false alarm)",
    fixed: "one that was replaced starts no more (simulation/broker-app.ts)",
    kept: { regression: 65222 },
  },
  {
    broke:
      "a consumer refused for its name, which an older process still had, told those who waited for `caughtUp()` that it was closed, not why; the simulation's driver, waiting for it, took that for a run that does not end",
    promises: ["P11"],
    foundBy: "simulation with 12 messages, seed 50321",
    fixed: "`caughtUp()` rejects with what the consumer failed with; the driver expects a name in use (consumer.ts)",
    kept: { regression: 50321 },
  },
  {
    broke:
      "a key was parked, the answer was lost with its link, and the key was redriven: the consumer, asking for the answer anew, dropped what came of it as if it stood behind the park, and never got it again",
    promises: ["P8"],
    foundBy: "simulation, seeds 3046 and 4235 with 20 messages",
    fixed: "what was redriven since waits for the answer and goes on then (setting-aside.ts)",
    kept: { regression: 3046 },
  },
  {
    broke:
      "a producer that had been frozen before its lane on a queue was open fenced its successor when it woke up, and its old message stood behind newer ones of the key",
    promises: ["P1"],
    foundBy: "simulation (processes outlived beside power losses), seed 3626",
    fixed:
      "the broker numbers client instances in the order in which they come, and a queue refuses the older of two with one producer name (queue-log.ts)",
    kept: { regression: 3626 },
  },
  {
    broke:
      "a producer that was fenced let go of messages with `memory` receipts that it still held, without a `tailLost` for them",
    promises: ["P3"],
    foundBy: "simulation (power losses beside producers with `memory` receipts), seed 190",
    fixed: "a lane that ends for whatever reason names what it held (lane.ts)",
    kept: { regression: 190 },
  },
  {
    broke:
      "messages with `memory` receipts that were sent again after a power loss stood at new places that no line of the producer's history told, and counted as lost",
    promises: ["P3"],
    foundBy: "simulation, seed 641",
    fixed: "the history has another `sent` line for each (lane-buffer.ts, producer.ts)",
    kept: { regression: 641 },
  },
  {
    broke:
      "a message that kills its process was never set aside: the losses went to one handled before it and not settled yet",
    promises: ["P8"],
    foundBy: "mutants (a killer that never stops), seed 278",
    fixed: "after a loss, messages start one by one, each when the one before is settled (worker.ts)",
    kept: { regression: 278 },
  },
  {
    broke:
      "a broker that had been frozen could answer renewals of short leases for 5 s without looking whether another had taken its data over",
    promises: ["P4", "P7"],
    foundBy: "review, while mutants were written",
    fixed: "renewals look at the ownership within a quarter of the shortest lease (session.ts)",
    kept: null,
  },
  {
    broke: "the end of a halt ended the lease at once, while handlers of other keys could still run",
    promises: ["P5"],
    foundBy: "review, while mutants were written",
    fixed: "the holder is asked to finish and release, as at a rebalance (subscription.ts)",
    kept: {
      file: "packages/actors/src/subscription/subscription-aside.test.ts",
      test: "stands still over leases and restarts until it is ended, then goes on under a new epoch",
    },
  },
  {
    broke:
      "a producer with `memory` receipts and a full buffer was not told that a failed commit had taken them back, and stood still",
    promises: ["P8"],
    foundBy: "review (a known gap), shown by simulation",
    fixed:
      "the queue tells such lanes to rewind, and pauses between reloads of a store that keeps failing (queue.ts, lane.ts)",
    kept: {
      file: "packages/testing/src/simulation/planned/memory-receipts.sim.test.ts",
      test: "are told, and go on",
    },
  },
  {
    broke: "a broker killed within a transaction left a folder that was refused as damaged",
    promises: ["P8"],
    foundBy: "process chaos, seed 1, rounds 1 and 7",
    fixed: "only the newer meta page is held to its root (data-file.ts)",
    kept: { file: CRASH_TESTS, test: "is whole though the older meta page's root has been written over" },
  },
  {
    broke: "one wrong bit in LMDB's table page, and the folder opened cleanly with all records gone",
    promises: ["P3"],
    foundBy: "bit flips",
    fixed: "each transaction seals the whole state, and each open compares it (seal.ts)",
    kept: { file: CRASH_TESTS, test: "in the page that names all tables" },
  },
  {
    broke:
      "a park repeated after a redrive was answered with a new revision, so the history had it parked after it was redriven; it was handled in order",
    promises: ["P6"],
    foundBy: "process chaos, seed 3",
    fixed: "a repeated park names the change it belongs to (settle.ts, set-aside.ts)",
    kept: { file: ASIDE_TESTS, test: "names the change in which they were set aside" },
  },
  {
    broke: "what was left of a lease was less than a tick of the clock: its consumer spun for ever",
    promises: ["P8", "P11"],
    foundBy: "simulation, seed 9097 with 100 messages",
    fixed: "less than a tick counts as nothing (lease-clock.ts)",
    kept: {
      file: "packages/actors/src/consumer/lease-clock.test.ts",
      test: "nobody waits for a moment that never comes",
    },
  },
  {
    broke:
      "with a retry that starts at 0 ms and many attempts the wait became no number (0 times Infinity), and the message never came due",
    promises: ["P8"],
    foundBy: "model test",
    fixed: "a first wait of 0 ms stays 0 (retry-schedule.ts)",
    kept: {
      file: "packages/actors/src/consumer/retry-schedule.model.test.ts",
      test: "grow from the first to the longest",
    },
  },
  {
    broke: "a client closed before its first welcome left `ready` pending for ever",
    promises: [],
    foundBy: "race test",
    fixed: "closing ends it with `CLOSED` (connection.ts)",
    kept: {
      file: "packages/actors/src/link/connection.race.test.ts",
      test: "lets one link be open at a time, and leaves none open once closed",
    },
  },
  {
    broke:
      "a broker whose data another had taken over answered `STORE_IN_USE`, which is not retried: its consumers failed for good",
    promises: ["P8"],
    foundBy: "simulation (`simulate`)",
    fixed: "it answers `UNAVAILABLE` (errors.ts)",
    kept: { regression: 171 },
  },
  {
    broke: "messages without a key went round the queues although they had the same id, so repeats were appended twice",
    promises: ["P2"],
    foundBy: "simulation (`simulate`)",
    fixed: "without a key the id decides the queue (producer.ts)",
    kept: {
      file: "packages/testing/src/simulation/programs/simulate.sim.test.ts",
      test: "a message without a key is appended once under its id",
    },
  },
  {
    broke: "a consumer of an unordered topic left a queue for good after one refused settle",
    promises: ["P8"],
    foundBy: "simulation, also seed 880",
    fixed: "the message comes again, to anyone (worker.ts)",
    kept: { regression: 880 },
  },
  {
    broke: "a handling repeated after a restart of the broker emitted under other ids, and so twice",
    promises: ["P2", "P10"],
    foundBy: "simulation, seed 4",
    fixed: "emitted ids do not hold the log's epoch (handler-runner.ts)",
    kept: { regression: 4 },
  },
  {
    broke: "a consumer of an unordered topic stood still for good when no more dead letters fitted in",
    promises: ["P8"],
    foundBy: "simulation, seed 53",
    fixed: "it gives the message up, which comes again later (worker.ts, shared-subscription.ts)",
    kept: { regression: 53 },
  },
  {
    broke:
      "a halted queue set its message aside when a place became free, then stood halted at a message that nobody could list",
    promises: ["P8"],
    foundBy: "simulation, seed 1095",
    fixed: "it stays at its message until the halt is ended (settle.ts)",
    kept: { regression: 1095 },
  },
  {
    broke: "ids of messages that retention had removed were forgotten at a restart",
    promises: ["P2"],
    foundBy: "simulation, seed 285",
    fixed: "they are kept in records of their own until `idWindowMs` has passed (removed-ids.ts)",
    kept: {
      file: "packages/actors/src/log/queue-log.test.ts",
      test: "are known after a restart for as long as any other",
    },
  },
  {
    broke: "one busy link was read 2 MiB at a time: another client waited 5 s",
    promises: [],
    foundBy: "hostile clients",
    fixed: "256 KiB, then it is the others' turn (ws-link.ts)",
    kept: { file: "packages/transport-ws/src/hostile.proof.test.ts", test: "the good client missed nothing" },
  },
  {
    broke: "a strand that ran again filled what may be set aside: the queue halted, again and again",
    promises: ["P8"],
    foundBy: "simulation, seed 5113",
    fixed: "the queue waits, because such a strand makes room by itself",
    kept: { regression: 5113 },
  },
  {
    broke: "a store that failed on and on: offer, grant, failed commit and reload went round without a pause",
    promises: ["P8"],
    foundBy: "simulation, seed 31",
    fixed: "a store that fails again is given time (ledger.ts)",
    kept: { regression: 31 },
  },
  {
    broke: "a broker whose data another had trimmed read nothing, again and again, and never let go of its thread",
    promises: ["P8"],
    foundBy: "simulation, seed 160",
    fixed: "what moved nothing is not tried again without news (delivery-flow.ts)",
    kept: { regression: 160 },
  },
  {
    broke: "a key was discarded while it was being redriven, and handled afterwards",
    promises: ["P6"],
    foundBy: "simulation, seed 142",
    fixed: null,
    kept: { regression: 142 },
  },
  {
    broke: "a redriven message was settled and discarded at once",
    promises: ["P3", "P9"],
    foundBy: "simulation, seed 166",
    fixed: null,
    kept: { regression: 166 },
  },
  {
    broke: "message ids were forgotten when the broker's wall clock jumped ahead",
    promises: ["P2"],
    foundBy: "simulation, seed 206",
    fixed: "ids are remembered by the clock that does not jump (queue-log.ts)",
    kept: { regression: 206 },
  },
  {
    broke: "a redriven message failed in a group that halts: its worker stood still for good",
    promises: ["P8"],
    foundBy: "simulation, seed 130",
    fixed: "it goes back to its place, and its worker goes on (worker.ts)",
    kept: { regression: 130 },
  },
  {
    broke: "a `memory` lane with a full buffer lost its link before it heard what was kept",
    promises: ["P8"],
    foundBy: "simulation, seed 249",
    fixed: null,
    kept: { regression: 249 },
  },
  {
    broke: "messages of a key were delivered on before its park was stored, and the run hung",
    promises: ["P6", "P8"],
    foundBy: "demo run",
    fixed: "nothing more of the key goes out until it is parked (settle.ts)",
    kept: { file: ASIDE_TESTS, test: "delivers nothing of the key while the parked ones are being read" },
  },
  {
    broke: "an offer that overtook the answer to the join cost 3 s",
    promises: [],
    foundBy: "demo run",
    fixed: "the lease is asked for although the answer has not been read yet (worker.ts)",
    kept: null,
  },
  {
    broke: "handlers that started while the link was down ran twice after a restart of the broker",
    promises: [],
    foundBy: "demo run",
    fixed: "nothing starts without a link (worker.ts)",
    kept: null,
  },
  {
    broke: "a frozen member was offered queues first, and got none back when it woke up",
    promises: [],
    foundBy: "demo run",
    fixed: "its queues go to others at once, and its share comes back when it is heard again (group.ts)",
    kept: {
      file: "packages/actors/src/broker/group.test.ts",
      test: "offers what a frozen member lost to others at once, and gives it its share back",
    },
  },
  {
    broke: "a store without room did not free messages that all groups had settled",
    promises: ["P8"],
    foundBy: "demo run",
    fixed: "retention runs when the store is full, however young the messages (retention.ts)",
    kept: {
      file: "packages/actors/src/log/retention.test.ts",
      test: "takes messages again once what all have settled is removed, however young",
    },
  },
];
