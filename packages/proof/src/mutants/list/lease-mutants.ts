import type { Mutant } from "../mutant.ts";

/** Who holds a lease, under which epoch, and until when: at the broker and at the holder. */
export const LEASE_MUTANTS: readonly Mutant[] = [
  {
    name: "no-epoch-check",
    breaks: "a settle counts whoever sends it, under whatever epoch",
    promises: ["P7"],
    file: "subscription/settle.ts",
    find: "    const flow = lease.flowTo(port, frame.epoch);\n    if (flow === null) return refuseSettle(",
    replace: "    const { flow } = lease;\n    if (flow === null) return refuseSettle(",
  },
  {
    name: "epoch-checked-on-arrival",
    breaks: "a settle is judged when it arrives, and applied later without a second look",
    promises: ["P7"],
    file: "subscription/settle.ts",
    find: `  ledger.take(port, frame, () => {
    lease.check();
    const flow = lease.flowTo(port, frame.epoch);
    if (flow === null) return refuseSettle(ledger, port, frame, lease.stale(frame.epoch));
`,
    replace: `  lease.check();
  const flow = lease.flowTo(port, frame.epoch);
  if (flow === null) return refuseSettle(ledger, port, frame, lease.stale(frame.epoch));
  ((apply: () => void) => ledger.scope.topic.runtime.setTimeout(apply, 50))(() => {
`,
  },
  {
    name: "epoch-not-persisted",
    breaks: "a lease's epoch is stored when the lease ends, not before it is used",
    promises: ["P7"],
    file: "subscription/subscription-state.ts",
    find: "      this.revision,\n      lease.epoch,\n",
    replace: "      this.revision,\n      lease.holder === null ? lease.epoch : lease.epoch - 1,\n",
  },
  {
    name: "granted-before-stored",
    breaks: "a grant is answered before its epoch is in the store",
    promises: ["P7"],
    file: "subscription/lease-requests.ts",
    find: `    const { commit, revision } = ledger.commit();
    answer(lease, commit.synced, { epoch, port, frame }, () => {
      sendGranted(`,
    replace: `    const { revision } = ledger.commit();
    answer(lease, Promise.resolve(), { epoch, port, frame }, () => {
      sendGranted(`,
  },
  {
    name: "granted-before-synced",
    breaks: "a grant is answered when its epoch survives the process, not the power",
    promises: ["P7"],
    file: "subscription/lease-requests.ts",
    find: `const { commit, revision } = ledger.commit();
    answer(lease, commit.synced, { epoch, port, frame }, () => {
      sendGranted(`,
    replace: `const { commit, revision } = ledger.commit();
    answer(lease, commit.flushed, { epoch, port, frame }, () => {
      sendGranted(`,
  },
  {
    name: "old-epoch-after-restart",
    breaks: "who held the lease before a restart takes it up again under its old epoch",
    promises: ["P7"],
    file: "subscription/lease.machine.ts",
    find: "epoch: context.epoch === NO_EPOCH ? context.firstEpoch : epoch(context.epoch + 1),",
    replace:
      "epoch: context.epoch === NO_EPOCH ? context.firstEpoch : context.holder?.instance === holder.instance ? context.epoch : epoch(context.epoch + 1),",
  },
  {
    name: "holder-counts-from-reply",
    breaks: "the holder counts its TTL from when the answer came, not from when it asked",
    promises: ["P4"],
    file: "consumer/lease-clock.ts",
    find: "if (this.over || sent.now < this.#sent.now) return;\n    this.#sent = sent;",
    replace: "if (this.over || sent.now < this.#sent.now) return;\n    this.#sent = instant(this.#runtime);",
    also: {
      find: "this.#sent = sent;\n    this.#ttlMs = ttlMs;\n    this.#over = false;",
      replace: "this.#sent = instant(this.#runtime);\n    this.#ttlMs = ttlMs;\n    this.#over = false;",
    },
  },
  {
    name: "expiry-only-by-timer",
    breaks: "a holder finds its lease over when a timer fires, not by reading the clock before it acts",
    promises: ["P4"],
    file: "consumer/lease-clock.ts",
    find: "overAt(now: number): boolean {",
    replace: `overAt(_now: number): boolean {
    return this.#over;
  }
  #pastAt(now: number): boolean {`,
    also: { find: "return this.over ? 0 :", replace: "return this.#pastAt(this.#runtime.now()) ? 0 :" },
  },
  {
    name: "wall-clock-ignored",
    breaks: "the holder does not see the time during which its machine was suspended",
    promises: ["P4"],
    file: "consumer/lease-clock.ts",
    find: "Math.max(now - sentAt, this.#runtime.wallNow() - sentAtWall, 0)",
    replace: "Math.max(now - sentAt, sentAtWall - sentAtWall, 0)",
  },
  {
    name: "quarantine-skipped",
    breaks: "a restarted broker grants at once what was leased before",
    promises: ["P4"],
    file: "subscription/lease.machine.ts",
    find: "    holder: input.recorded.holder,\n",
    replace: "    holder: null,\n",
  },
  {
    name: "quarantine-with-configured-ttl",
    breaks: "the quarantine after a restart lasts the TTL that is configured now, not the one that was granted",
    promises: ["P4"],
    file: "subscription/lease.ts",
    find: "      { recorded, firstEpoch:",
    replace: `      {
        recorded: {
          ...recorded,
          holder: recorded.holder && {
            ...recorded.holder,
            ttlMs: Math.min(recorded.holder.ttlMs, this.ledger.scope.topic.leaseTtlMsMax),
          },
        },
        firstEpoch:`,
  },
  {
    name: "timer-lost",
    breaks: "when a lease was renewed before its timer fired, no timer is set for the new deadline",
    promises: ["P8"],
    file: "subscription/lease.ts",
    find: "        this.check();\n        this.#watch();\n",
    replace: "        this.check();\n",
  },
  {
    name: "holder-keyed-by-name",
    breaks: "a lease belongs to whoever has its holder's name, not to the instance it was granted to",
    promises: ["P4", "P5"],
    file: "broker/session-members.ts",
    find: "instance: client.instance,",
    replace: "instance: join.name,",
  },
  {
    name: "unlisted-renewed",
    breaks: "a heartbeat renews leases that it does not list",
    promises: ["P8"],
    file: "broker/renew-leases.ts",
    find: 'if (!lease.isOn(link) || wasSeen) lease.end("released");',
    replace: "if ((!lease.isOn(link) || wasSeen) && lease.flow !== null) lease.renew(lease.flow.port, lease.epoch);",
  },
  {
    name: "resume-loses-settles",
    breaks: "what was handled while the link was away is not told when the lease is resumed",
    promises: ["P3"],
    file: "consumer/consumer-lease.ts",
    find: "settle: log.unconfirmed(epoch),",
    replace: "settle: log.unconfirmed(epoch) && NOTHING,",
  },
  {
    name: "resume-redelivers-in-hand",
    breaks: "after a resume the holder is sent again what it has in hand",
    promises: ["P5", "P6"],
    file: "subscription/lease-requests.ts",
    find: "kept, keptRedriven: resumed.redrivenInHand }",
    replace: "kept: [], keptRedriven: [] }",
  },
  {
    name: "settled-before-stored",
    breaks: "a settle is confirmed before it is committed",
    promises: ["P3", "P7"],
    file: "subscription/settle.ts",
    find: `    commit.flushed.then(
      () => port.send({ type: "settled", ...answer, revision }),
      () => {}, // the commit's failure ends the lease
    );
`,
    replace: `    void commit;
    port.send({ type: "settled", ...answer, revision });
`,
  },
  {
    name: "release-drops-last-settles",
    breaks: "the last settles, which a release carries, are not applied with it",
    promises: ["P3"],
    file: "subscription/lease-requests.ts",
    find: "const { writes } = applySettlement(ledger, frame.settle, flow.deliveredEnd);\n",
    replace: "const writes: never[] = [];\n",
  },
  {
    name: "vacant-not-offered",
    breaks: "a lease that ended by time is not offered to anybody",
    promises: ["P8"],
    file: "broker/group.ts",
    find: "      this.#contain(() => {\n        this.#offers.offer(queue);\n        this.#offers.more();",
    replace: "      this.#contain(() => {\n        this.#offers.more();",
  },
  {
    name: "renewed-after-revoke",
    breaks: "heartbeats of a holder that does not give its lease back are answered as renewals without end",
    promises: ["P4", "P8"],
    file: "subscription/lease.ts",
    find: "if (at >= this.deadline || at >= this.renewUntil || this.flowTo(port, under) === null) return null;",
    replace: "if (at >= this.deadline || this.flowTo(port, under) === null) return null;",
    test: {
      file: "packages/actors/src/subscription/subscription-lease.test.ts",
      title: "lets renewals go on for as long as it said, and no longer",
    },
  },
  {
    name: "late-grant-starts",
    breaks: "handlers start under a grant of which little is left",
    promises: ["P4"],
    file: "consumer/consumer-lease.ts",
    find: 'this.send({ type: "lease.granted", isLate });',
    replace: 'this.send({ type: "lease.granted", isLate: false });',
    test: {
      file: "packages/actors/src/consumer/leases.test.ts",
      title: "start nothing under a grant with less than half its TTL left, until a beat has renewed it",
    },
  },
  {
    name: "fault-not-told",
    breaks: "a change of a lease that throws ends no link: whoever asked for it waits for ever",
    promises: ["P8"],
    file: "subscription/ledger.ts",
    find: "this.turn.run(change, (error) => port.fault(error, frame.type));",
    replace: "this.turn.run(change, () => void port.open);",
    test: {
      file: "packages/actors/src/broker/session-faults.test.ts",
      title: "a change that throws in its turn ends the link of whoever waits for its answer",
    },
  },
  {
    name: "in-flight-not-enforced",
    breaks: "a lane may have any number of batches without an answer, whatever was announced",
    promises: ["P11"],
    file: "broker/session-lanes.ts",
    find: "if (lane.inFlight >= IN_FLIGHT_BATCHES_MAX)",
    replace: "if (lane.inFlight < 0)",
    test: {
      file: "packages/actors/src/broker/session-bounds.test.ts",
      title: "a lane may have as many batches without an answer as welcome says; one more ends the link",
    },
  },
];
