import type { IncomingLink } from "../contracts/transport.ts";
import type { Owner } from "../log/owner.ts";
import { isMessagingError, MessagingError } from "../message/errors.ts";
import { quoted } from "../message/text.ts";
import type { Codec } from "../protocol/codec.ts";
import type { Frame, Hello } from "../protocol/frames.ts";
import { binaryCodec, type Codecs, negotiateVersion, versionsUnsupported } from "../protocol/index.ts";
import { brokeProtocol } from "../protocol/own-fault.ts";
import { Departure } from "../runtime/departure.ts";
import type { Admitted } from "./instances.ts";
import { Intake } from "./intake.ts";
import { LimitNotice } from "./limit-notice.ts";
import { Rates } from "./rates.ts";
import type { ServedBroker } from "./served-broker.ts";
import type { Goodbye } from "./session.machine.ts";
import { SessionFrames } from "./session-frames.ts";
import { IN_FLIGHT_BATCHES_MAX, type SessionLanes } from "./session-lanes.ts";
import { SessionLife } from "./session-life.ts";
import { SessionRights } from "./session-rights.ts";
import { SessionSender } from "./session-sender.ts";
import { Silence } from "./silence.ts";
import { TokenExpiry } from "./token-expiry.ts";

/**
 * One link of one client, from its first packet to its end.
 *
 * ```
 * link ─▶ Silence ─▶ Intake (slices, rates) ─▶ hello ─▶ SessionFrames ─▶ lanes · members · questions · heartbeats
 * link ◀──────────────────────── SessionSender ◀──────────────┘
 * ```
 * `SessionLife` has the machine that decides when it is open and when it ends.
 */
export class Session {
  readonly link: IncomingLink;
  readonly life: SessionLife;
  readonly #served: ServedBroker;
  readonly #onEnd: (session: Session) => void;
  readonly #departure = new Departure();
  readonly #sender: SessionSender;
  readonly #rights: SessionRights;
  readonly #expiry: TokenExpiry;
  readonly #silence: Silence;
  readonly #intake: Intake;
  readonly #notice: LimitNotice;
  /** What it is read with: of the newest version, until its `hello` has told which it speaks. */
  #codecs: Codecs;
  /** Its client, once that has come in. */
  #client: Admitted | null = null;
  #frames: SessionFrames | null = null;

  /** `onEnd`: the link has ended. */
  constructor(served: ServedBroker, link: IncomingLink, path: string, onEnd: (session: Session) => void) {
    const { scope } = served;
    const { runtime, limits, logger, linkTurns: turns } = scope;
    this.#served = served;
    this.#onEnd = onEnd;
    this.link = link;
    this.#codecs = scope.codecs;
    const life = new SessionLife(scope, path, {
      opened: () => scope.counters?.linkOpened(),
      closing: (goodbye) => this.#close(goodbye),
      abandoned: () => this.#intake.stop(),
    });
    this.life = life;
    this.#sender = new SessionSender(scope, link, life);
    this.#rights = new SessionRights(scope, path, link.principal, (error) => life.fault(error, "rights"));
    this.#expiry = new TokenExpiry(runtime, link.principal, (error) => life.close(error, "unauthenticated"));
    this.#notice = new LimitNotice(
      runtime,
      (frame) => void this.#sender.sendIfSpoken(frame),
      (text, data) => logger.log("warn", `${path} of "${link.principal.id}" ${text}`, data),
    );
    let reading: Codec = binaryCodec;
    this.#intake = new Intake({
      ...{ link, runtime, turns, principal: this.#principal, rates: new Rates(runtime, limits.rates) },
      unread: this.#sender.unread,
      reader: (packet) => {
        reading = this.#codecs.of(packet);
        return reading.reader(packet);
      },
      handle: (frame) => {
        if (this.#frames === null) this.#greet(frame, reading);
        else this.#frames.handle(frame);
      },
      rest: () => this.#frames?.rest(),
      failed: (error, doing) => {
        if (brokeProtocol(error)) life.close(error, "violation");
        else life.fault(error, doing);
      },
      limited: (met) => this.#notice.met(met),
      ended: () => this.#ended(),
    });
    this.#silence = new Silence({
      ...{ runtime, heartbeatMs: limits.heartbeatMs, intake: this.#intake },
      unread: () => this.#sender.bufferedBytes,
      onSilent: () => {
        life.abandon();
        link.abort();
        this.#silence.stop();
      },
      onUnread: () => this.#sender.overloaded(),
      failed: (error) => logger.log("error", `${path}: it could not be seen whether its link is silent`, { error }),
    });
    link.frames$.subscribe({ next: (packet) => this.#receive(packet), complete: () => this.#intake.linkEnded() });
  }
  get #principal(): Owner {
    return this.#served.scope.authenticates ? this.link.principal.id : null;
  }
  /** What its lanes are open for. */
  producing(): ReturnType<SessionLanes["producing"]> | readonly [] {
    return this.#frames?.lanes.producing() ?? [];
  }

  #receive(packet: Uint8Array): void {
    if (this.life.isOver) return;
    const now = this.#served.scope.runtime.now();
    if (this.#silence.heard(now)) this.life.contain("reading a packet", () => this.#frames?.heardAgain());
    this.#intake.take(packet, now);
  }
  /** Takes what comes before its client is known. */
  #greet(frame: Frame, codec: Codec): void {
    if (frame.type === "goodbye") {
      this.life.close(null, "normal");
      return;
    }
    if (frame.type !== "hello")
      throw new MessagingError("PROTOCOL_VIOLATION", `the first frame must be a hello, found "${frame.type}"`);
    this.#hello(frame, codec);
  }
  #hello(hello: Hello, codec: Codec): void {
    const { scope } = this.#served;
    const { limits, name, codecs, store, instances } = scope;
    const { link, life } = this;
    const version = negotiateVersion(codecs.versions, hello.versions);
    this.#sender.speak(version === null ? codec : codec.at(version), version ?? 1);
    if (version === null) {
      const client = { name: hello.client, versions: hello.versions };
      life.close(versionsUnsupported(client, { name, versions: codecs.versions }), "violation");
      return;
    }
    this.#codecs = codecs.at(version);
    const client = instances.admit(hello, this.#principal, (error, code) => life.close(error, code));
    if (client === null) {
      const text = `link ${hello.link} of instance ${quoted(hello.instance)} is older than one seen before`;
      life.close(new MessagingError("PROTOCOL_VIOLATION", text), "violation");
      return;
    }
    this.#client = client;
    this.#frames = new SessionFrames({
      ...this.#served,
      ...{ link, client, life, sender: this.#sender, rights: this.#rights, departure: this.#departure },
      isSilent: () => this.#silence.isSuspected,
      later: (resume) => this.#intake.later(resume),
    });
    life.open();
    this.#sender.send({
      type: "welcome",
      version,
      brokerId: store.id,
      broker: name,
      frameBytesMax: limits.frameBytesMax,
      messageBytesMax: limits.messageBytesMax,
      inFlightBatchesMax: IN_FLIGHT_BATCHES_MAX,
      heartbeatMs: limits.heartbeatMs,
      leaseTtlMsMax: limits.leaseTtlMsMax,
      durabilityMax: store.durabilityMax,
      ordinal: client.ordinal,
    });
  }

  /** Its machine has decided that it ends. */
  #close({ error, code }: Goodbye): void {
    const told = error === null ? null : this.#sender.disclosed(error);
    const reason = isMessagingError(error, "INTERNAL") ? error.reference : (told?.message ?? "");
    this.#containAll("ending", [
      () => this.#sender.goodbye(told),
      () => this.#sender.flush(),
      () => this.#intake.stop(), // where the link has ended already, that is heard of here
      () => this.link.close(code, reason),
      () => this.#leave(),
    ]);
  }
  #leave(): void {
    this.#rights.stop();
    this.#expiry.stop();
    this.#frames?.leave();
  }
  #ended(): void {
    const { counters } = this.#served.scope;
    this.life.ended();
    this.#containAll("the end of the link", [
      () => this.#leave(),
      () => this.#silence.stop(),
      () => this.#departure.happen(),
      () => this.#sender.stop(),
      () => this.#client !== null && counters?.linkClosed(),
      () => this.#client?.leave(),
      () => this.#onEnd(this),
    ]);
  }
  #containAll(doing: string, steps: readonly (() => unknown)[]): void {
    for (const step of steps) this.life.contain(doing, step);
  }
}
