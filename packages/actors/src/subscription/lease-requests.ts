import type { Epoch } from "../message/brands.ts";
import { MessagingError } from "../message/errors.ts";
import type { LeaseAcquire, LeaseRaise, LeaseRelease, LeaseResume } from "../protocol/frames.ts";
import { holderOf, isSameHolder } from "./holder.ts";
import type { Lease } from "./lease.ts";
import { changeFailure, unavailable } from "./ledger.ts";
import type { MemberPort } from "./member-port.ts";
import { applySettlement } from "./settle.ts";

/**
 * A member asks for the lease, or (`resume`), back on a new link, for the one that it holds. Judged in its turn,
 * answered when it is stored.
 */
export function acquireLease(lease: Lease, port: MemberPort, frame: LeaseAcquire): void {
  const { ledger } = lease;
  ledger.take(port, frame, () => {
    const at = lease.check();
    const { holder } = lease;
    const refuse = (error: MessagingError) => port.refuse({ type: "refused", request: frame.request, error });
    if (lease.isStopped) return refuse(unavailable(ledger.path));
    const asker = holderOf(port);
    const isSame = holder !== null && isSameHolder(holder, asker);
    if (frame.resume !== null) {
      if (lease.isHeld && isSame && frame.resume.epoch === lease.epoch)
        return resume(lease, port, frame, frame.resume, at);
      return refuse(lease.stale(frame.resume.epoch));
    }
    if (holder !== null && !isSame) return refuse(leaseHeld(lease));
    // it does not know of it any more, or would have resumed it
    if (lease.isHeld) lease.send({ type: "lease.end", reason: "fenced" });
    const ttlMs = Math.min(port.join.leaseTtlMs, ledger.scope.topic.leaseTtlMsMax);
    lease.send({ type: "lease.grant", holder: { ...asker, ttlMs }, at });
    const { epoch } = lease;
    const goOn = lease.beginFlow({ port, deliveredEnd: 0, kept: [], keptRedriven: [] }).pause();
    const { commit, revision } = ledger.commit();
    answer(lease, commit.synced, { epoch, port, frame }, () => {
      sendGranted(lease, port, { request: frame.request, epoch, ttlMs, revision });
      const { topic, place, counters } = ledger.scope;
      topic.events.emit({ type: "lease.granted", ...place, epoch });
      counters?.leaseGranted();
      goOn();
    });
  });
}
/**
 * Rule 20: the lease goes on under its epoch; what the holder has in hand is not sent again, what it settled meanwhile
 * counts.
 */
function resume(lease: Lease, port: MemberPort, frame: LeaseAcquire, resumed: LeaseResume, at: number): void {
  const { ledger, epoch, repeats } = lease;
  const deliveredEnd = lease.flow?.deliveredEnd ?? ledger.state.cursor;
  const settles = repeats.takeSettles();
  const { writes } = applySettlement(ledger, repeats.withoutUndone(resumed.settle), deliveredEnd);
  lease.send({ type: "lease.renew", at });
  const ttlMs = lease.deadline - at; // less than the whole when it is being revoked
  const kept = resumed.inHand.flatMap(([from, to]) =>
    from < deliveredEnd ? [[from, Math.min(to, deliveredEnd)] as const] : [],
  );
  const goOn = lease.beginFlow({ port, deliveredEnd, kept, keptRedriven: resumed.redrivenInHand }).pause();
  const { commit, revision } = ledger.commit(writes);
  answer(lease, commit.flushed, { epoch, port, frame }, () => {
    const { member } = port;
    const { queue } = ledger.scope.place;
    for (const settled of settles) port.send({ type: "settled", member, queue, epoch, ...settled });
    sendGranted(lease, port, { request: frame.request, epoch, ttlMs, revision });
    if (lease.state === "revoking") lease.sendRevoke();
    goOn();
  });
}
/** The holder asks for the next epoch (rule 22): what is in hand carries over, credit counts anew. */
export function raiseLease(lease: Lease, port: MemberPort, frame: LeaseRaise): void {
  const { ledger } = lease;
  ledger.take(port, frame, () => {
    const at = lease.check();
    const flow = lease.flowTo(port, frame.epoch);
    if (flow === null) return port.refuse({ type: "refused", request: frame.request, error: lease.stale(frame.epoch) });
    const goOn = flow.pause();
    lease.send({ type: "lease.raise", at });
    const { epoch } = lease;
    const ttlMs = lease.deadline - at;
    const { commit, revision } = ledger.commit();
    answer(lease, commit.synced, { epoch, port, frame }, () => {
      flow.restartCredit();
      lease.repeats.takeSettles();
      sendGranted(lease, port, { request: frame.request, epoch, ttlMs, revision });
      goOn();
    });
  });
}
/** The holder gives the lease back, with the last settles. */
export function releaseLease(lease: Lease, port: MemberPort, frame: LeaseRelease): void {
  const { ledger } = lease;
  ledger.take(port, frame, () => {
    lease.check();
    const { request, epoch } = frame;
    const refuse = (error: MessagingError) => port.refuse({ type: "refused", request, error });
    const flow = lease.flowTo(port, epoch);
    if (flow === null) return refuse(lease.stale(epoch));
    const { writes } = applySettlement(ledger, frame.settle, flow.deliveredEnd);
    lease.send({ type: "lease.release" });
    const { commit, revision } = ledger.commit(writes);
    const { member } = port;
    const { queue } = ledger.scope.place;
    commit.flushed.then(
      () => port.send({ type: "lease.released", request, member, queue, epoch, revision }),
      (error: unknown) => refuse(changeFailure(error)),
    );
  });
}

/** Answers when the commit is through, if the lease is still the one that this was about. */
function answer(
  lease: Lease,
  durable: Promise<void>,
  of: { readonly epoch: Epoch; readonly port: MemberPort; readonly frame: LeaseAcquire | LeaseRaise },
  answered: () => void,
): void {
  const { port, frame, epoch } = of;
  const refuse = (error: MessagingError) => port.refuse({ type: "refused", request: frame.request, error });
  durable
    .then(
      () => (lease.flowTo(port, epoch) === null ? refuse(lease.stale(epoch)) : answered()),
      (error: unknown) => refuse(changeFailure(error)),
    )
    .catch((error: unknown) => {
      lease.ledger.fail(error);
      port.fault(error, frame.type);
    });
}
function sendGranted(
  lease: Lease,
  port: MemberPort,
  granted: { readonly request: number; readonly epoch: Epoch; readonly ttlMs: number; readonly revision: number },
): void {
  const { place, topic } = lease.ledger.scope;
  const grant = lease.granted(port);
  const { member } = port;
  const logEpoch = topic.store.ownerEpoch;
  port.send({ type: "lease.granted", ...granted, member, queue: place.queue, grant, logEpoch });
}
function leaseHeld(lease: Lease): MessagingError {
  const { holder, expiresInMs } = lease.view() ?? { holder: null, expiresInMs: 0 };
  return new MessagingError(
    "LEASE_HELD",
    `${lease.ledger.path} is held by "${holder ?? "nobody"}" for another ${expiresInMs} ms`,
    { data: { holder, expiresInMs } },
  );
}
