import type { Actor } from "xstate";
import type { Authorizer } from "../contracts/auth.ts";
import type { Logger } from "../contracts/logger.ts";
import type { IncomingLink, LinkCode } from "../contracts/transport.ts";
import type { Counters } from "../log/counters.ts";
import type { Owner } from "../log/owner.ts";
import { isMessagingError, MessagingError } from "../message/errors.ts";
import { quoted } from "../message/text.ts";
import type { Codec } from "../protocol/codec.ts";
import { withCutFailure, withCutReason } from "../protocol/cut-texts.ts";
import type { Disclosure, PlainFrame, Refusal } from "../protocol/disclosure.ts";
import type { BrokerFrame, ClientFrame, Frame, Hello } from "../protocol/frames.ts";
import { binaryCodec, type Codecs, negotiateVersion, versionsUnsupported } from "../protocol/index.ts";
import { clientTakes, frameTooLarge, Outbox } from "../protocol/outbox.ts";
import { brokeProtocol, ownFault } from "../protocol/own-fault.ts";
import type { Question } from "../protocol/questions.ts";
import type { ActorRegistry } from "../runtime/actor-registry.ts";
import { Departure } from "../runtime/departure.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { GroupSubscription } from "../subscription/group-subscription.ts";
import { CONGESTED_BYTES, Drain } from "./drain.ts";
import { Heartbeats } from "./heartbeats.ts";
import { Intake, type IntakeParts } from "./intake.ts";
import { LimitNotice } from "./limit-notice.ts";
import { toFind } from "./needed-rights.ts";
import type { Asker } from "./question-turns.ts";
import { type LinkRates, Rates } from "./rates.ts";
import { sessionMachine } from "./session.machine.ts";
import { SessionAnswers } from "./session-answers.ts";
import { IN_FLIGHT_BATCHES_MAX, SessionLanes } from "./session-lanes.ts";
import { SessionMembers } from "./session-members.ts";
import { SessionQuestions } from "./session-questions.ts";
import { SessionRights } from "./session-rights.ts";
import { Silence } from "./silence.ts";
import { TokenExpiry } from "./token-expiry.ts";
import type { TopicHome } from "./topic-home.ts";
import type { Turns } from "./turns.ts";

/** What sessions ask of their broker. */
export interface SessionHost {
  readonly runtime: Runtime;
  readonly actors: ActorRegistry;
  readonly logger: Logger;
  readonly counters: Counters | null;
  readonly authorizer: Authorizer;
  /** What clients are told of errors. */
  readonly disclosure: Disclosure;
  readonly limits: BrokerLimits;
  readonly linkTurns: Turns;
  /** What it speaks. */
  readonly codecs: Codecs;
  /** Bytes waiting on a link above which deliveries to it pause; undefined: the usual. */
  readonly congestedBytes: number | undefined;
  /** No packet is larger that could be divided; undefined: `frameBytesMax`. */
  readonly packetBytes: number | undefined;
  readonly identity: {
    readonly id: string;
    readonly name: string;
    readonly durabilityMax: "memory" | "flushed" | "synced";
    readonly logEpoch: number;
  };
  topic(name: string): TopicHome | undefined;
  /** Whether principals are told apart: without an authenticator all are one, and nothing belongs to anybody. */
  readonly tellsApart: boolean;
  /** See `Instances.admit`. */
  admit(session: Session): boolean;
  /** The ordinal of an instance that shows this one. */
  ordinalOf(shown: number | null): number;
  ended(session: Session): void;
  /** Leases held by its client here. */
  heldBy(session: Session): Iterable<GroupSubscription>;
  /** Resolves at once when the ownership of the data was verified lately, else when it has been. */
  ownershipVerified(withinMs: number): Promise<void> | null;
  ask(session: Session, asker: Asker, question: Question): Promise<unknown>;
}
export interface BrokerLimits {
  readonly messageBytesMax: number;
  readonly frameBytesMax: number;
  readonly heartbeatMs: number;
  readonly leaseTtlMsMax: number;
  readonly rates: LinkRates;
}
const HANDSHAKE_MS = 5_000;
/** Bytes waiting on a link at which it is given up: deliveries have paused long before, so its client asks and does not read. */
const OVERLOADED_BYTES = 32 * 1024 * 1024;
/** A link with this many times as much waiting on it as pauses deliveries is not read: only answers can have come to that. */
const UNREAD_FACTOR = 4;

/** One link of one client: checks what comes in, hands it to queues and groups, batches what goes out. */
export class Session {
  readonly #host: SessionHost;
  readonly link: IncomingLink;
  readonly path: string;
  /** Of its client: the link has ended. */
  readonly departure = new Departure();
  readonly rights: SessionRights;
  readonly #expiry: TokenExpiry;
  readonly #machine: Actor<typeof sessionMachine>;
  readonly #lanes: SessionLanes;
  readonly #members: SessionMembers;
  #outbox: Outbox | null = null;
  #answers: SessionAnswers | null = null;
  #codec: Codec = binaryCodec;
  /** What it is read with: of the newest version, until its `hello` has told which it speaks. */
  #codecs: Codecs;
  #instance = "";
  #linkNumber = 0;
  #clientName = "";
  #ordinal = 0;
  readonly #silence: Silence;
  readonly #drain: Drain;
  readonly #questions: SessionQuestions;
  readonly #intake: Intake;
  readonly #notice: LimitNotice;
  readonly #heartbeats: Heartbeats;
  #open = false;
  #wasOpen = false;
  #isOverloaded = false;
  #saidGoodbye = false;
  /** Nothing more that comes is processed. What the machine says too, but asking it costs something for every frame. */
  #isClosing = false;

  constructor(host: SessionHost, link: IncomingLink, id: string) {
    this.#host = host;
    this.link = link;
    this.path = `session/${id}`;
    this.#codecs = host.codecs;
    const drainFailed = (error: unknown) => this.fault(error, "a drain");
    this.#drain = new Drain(link, () => this.#outbox, drainFailed, host.congestedBytes);
    const { runtime, linkTurns: turns, congestedBytes = CONGESTED_BYTES } = host;
    const outbox = new Drain(link, () => this.#outbox, drainFailed, congestedBytes * UNREAD_FACTOR);
    const rates = new Rates(runtime, host.limits.rates);
    this.#intake = new Intake({ link, runtime, turns, principal: this.principal, rates, outbox, ...this.#reading() });
    this.#notice = new LimitNotice(
      runtime,
      (frame) => {
        if (this.#codec.refusal(frame) === null) this.send(frame);
      },
      (text, data) => host.logger.log("warn", `${this.path} of "${link.principal.id}" ${text}`, data),
    );
    this.rights = new SessionRights(host, this.path, link.principal, (error) => this.fault(error, "rights"));
    this.#expiry = new TokenExpiry(host.runtime, link.principal, (error) => this.close(error, "unauthenticated"));
    this.#lanes = new SessionLanes(this, host.identity.logEpoch);
    this.#members = new SessionMembers(this, this.#drain, (goOn) => this.#intake.later(goOn));
    this.#questions = new SessionQuestions(
      {
        principal: link.principal.id,
        departure: this.departure,
        topic: (name) => this.topic(name),
        work: (question) => host.ask(this, this.#questions, question),
        answer: async (request, kind, answer) => await this.#answers?.send(kind, request, answer),
        found: (request, { route, spec }) => this.send({ type: "topic.found", request, route, spec }),
        refuse: (request, error, doing) => this.refuse(request, error, doing),
        fault: (error, doing) => this.fault(error, doing),
      },
      this.#drain,
    );
    this.#heartbeats = new Heartbeats(host, this, {
      find: (lease) => this.#members.subscription(lease),
      held: () => host.heldBy(this),
    });
    const failed = (error: unknown) => this.fault(error, "its machine");
    this.#machine = host.actors.start({ kind: "session", path: this.path, failed }, sessionMachine, {
      input: { handshakeMs: HANDSHAKE_MS },
    });
    this.#machine.on("handshake.late", () =>
      this.close(new MessagingError("PROTOCOL_VIOLATION", `no hello came within ${HANDSHAKE_MS} ms`), "violation"),
    );
    this.#silence = new Silence({
      runtime,
      heartbeatMs: host.limits.heartbeatMs,
      intake: this.#intake,
      unread: () => this.#outbox?.bufferedBytes ?? 0,
      onSilent: () => this.#giveUp(),
      onUnread: () => this.#overloaded(),
      failed: (error) =>
        host.logger.log("error", `${this.path}: it could not be seen whether its link is silent`, { error }),
    });
    link.frames$.subscribe({ next: (packet) => this.#receive(packet), complete: () => this.#intake.linkEnded() });
  }
  /** Whose it is, and all that is begun on it. */
  get principal(): Owner {
    return this.#host.tellsApart ? this.link.principal.id : null;
  }
  get instance(): string {
    return this.#instance;
  }
  /** Of its instance: a higher one came later. */
  get ordinal(): number {
    return this.#ordinal;
  }
  get linkNumber(): number {
    return this.#linkNumber;
  }
  get isOpen(): boolean {
    return this.#open;
  }
  get clientName(): string {
    return this.#clientName;
  }
  /** Nothing was heard for so long that its client may be frozen or cut off. */
  get isSilent(): boolean {
    return this.#silence.isSuspected;
  }
  /** What its lanes are open for. */
  producing(): ReturnType<SessionLanes["producing"]> {
    return this.#lanes.producing();
  }
  send(frame: PlainFrame): void {
    this.#push(frame);
  }
  /** Refuses what was asked; of the error it tells what may be told. */
  tellRefusal(refusal: Refusal): void {
    if (this.#open) this.#push({ ...refusal, error: this.#host.disclosure.of(refusal.error, this.path) });
  }
  #push(frame: BrokerFrame): void {
    if (!this.#open || this.#outbox === null) return;
    try {
      this.#outbox.push(frame);
      if (this.#outbox.bufferedBytes <= OVERLOADED_BYTES || this.#isOverloaded) return;
    } catch (error) {
      this.fault(error, `sending "${frame.type}"`);
      return;
    }
    this.#isOverloaded = true;
    this.#host.runtime.defer(() => this.#overloaded());
  }
  #overloaded(): void {
    this.close(new MessagingError("LIMIT_EXCEEDED", "the client does not read what it asks for"), "overloaded");
  }
  /** Tells a member why it may not stay; false when the link's version has no word for that. */
  tellEnded(member: number, error: MessagingError): boolean {
    const frame = { type: "member.ended", member, error: this.#host.disclosure.of(error, this.path) } as const;
    if (this.#codec.refusal(frame) !== null) return false;
    this.#push(frame);
    return true;
  }
  /** Says why and ends the link; nothing more of it is processed. Never throws. */
  close(error: MessagingError | null, code: LinkCode): void {
    if (this.#saidGoodbye) return;
    this.#saidGoodbye = true;
    this.#isClosing = true;
    const told = error === null ? null : this.#host.disclosure.of(error, this.path);
    const reason = isMessagingError(error, "INTERNAL") ? error.reference : (told?.message ?? "");
    for (const step of [
      () => this.#outbox?.push({ type: "goodbye", error: told }),
      () => this.#outbox?.flush(),
      () => this.#end(),
      () => this.link.close(code, reason),
      () => this.#leaveAll(),
    ])
      this.contain("ending", step);
  }
  /** Something of ours threw, for this link: the link ends, and its client learns where the log has it, nothing more. Never throws. */
  fault(error: unknown, doing: string): void {
    const { runtime, logger } = this.#host;
    const fault = ownFault({ at: "broker", path: this.path, runtime, logger }, error, doing);
    this.close(fault, "internal");
  }
  /** Runs a step of this link; what it throws is a fault. Never throws. */
  contain(doing: string, step: () => void): void {
    try {
      step();
    } catch (error) {
      this.fault(error, doing);
    }
  }
  #end(): void {
    this.#isClosing = true;
    this.#machine.send({ type: "session.end" });
    this.#intake.stop(); // where the link has ended already, that is heard of here
  }
  #leaveAll(): void {
    this.#open = false;
    this.rights.stop();
    this.#expiry.stop();
    this.#lanes.closeAll();
    this.#members.linkEnded();
  }
  #ended(): void {
    this.#saidGoodbye = true; // there is nobody any more to say it to
    for (const step of [
      () => this.#leaveAll(),
      () => this.#silence.stop(),
      () => this.departure.happen(),
      () => this.#drain.stop(),
      () => this.#answers?.stop(),
      () => this.#machine.send({ type: "link.ended" }),
      () => this.#wasOpen && this.#host.counters?.linkClosed(),
      () => this.#host.ended(this),
    ])
      this.contain("the end of the link", step);
  }
  #giveUp(): void {
    this.#end();
    this.link.abort();
    this.#silence.stop();
  }

  #receive(packet: Uint8Array): void {
    if (this.#isClosing) return;
    const now = this.#host.runtime.now();
    if (this.#silence.heard(now)) this.contain("reading a packet", () => this.#members.heardAgain());
    this.#intake.take(packet, now);
  }
  #reading(): Pick<IntakeParts, "reader" | "handle" | "rest" | "failed" | "limited" | "ended"> {
    let codec: Codec = binaryCodec;
    return {
      reader: (packet) => {
        codec = this.#codecs.of(packet);
        return codec.reader(packet);
      },
      handle: (frame) => {
        if (!this.#open) this.#greet(frame, codec);
        else if (frame.type === "heartbeat") this.#heartbeats.take(frame);
        else {
          this.#heartbeats.judge();
          if (!this.#isClosing) this.#dispatch(frame as ClientFrame);
        }
      },
      rest: () => this.#heartbeats.judge(),
      failed: (error, doing) => {
        if (brokeProtocol(error)) this.close(error, "violation");
        else this.fault(error, doing);
      },
      limited: (met) => this.#notice.met(met),
      ended: () => this.#ended(),
    };
  }
  /** Takes what comes before its client is known. */
  #greet(frame: Frame, codec: Codec): void {
    if (frame.type === "goodbye") {
      this.close(null, "normal");
      return;
    }
    if (frame.type !== "hello")
      throw new MessagingError("PROTOCOL_VIOLATION", `the first frame must be a hello, found "${frame.type}"`);
    this.#hello(frame, codec);
  }
  #hello(hello: Hello, codec: Codec): void {
    const { limits, identity, runtime, codecs, packetBytes } = this.#host;
    const version = negotiateVersion(codecs.versions, hello.versions);
    this.#codec = version === null ? codec : codec.at(version);
    const peerBytesMax = clientTakes(version ?? 1);
    const frameBytesMax = Math.min(limits.frameBytesMax, packetBytes ?? peerBytesMax, peerBytesMax);
    const outbox = new Outbox(this.link, this.#codec, runtime, {
      frameBytesMax,
      peerBytesMax,
      onFault: (error, type) => this.fault(error, `writing "${type}"`),
      onTooLarge: ({ type }, bytes) => this.close(frameTooLarge(type, bytes, peerBytesMax), "tooLarge"),
    });
    this.#outbox = outbox;
    if (version === null) {
      const client = { name: hello.client, versions: hello.versions };
      this.close(versionsUnsupported(client, { name: identity.name, versions: codecs.versions }), "violation");
      return;
    }
    this.#codecs = codecs.at(version);
    this.#answers = new SessionAnswers({
      ...{ outbox, codec: this.#codec, drain: this.#drain, session: this, version, frameBytesMax },
      peerBytesMax: version < 2 ? Math.min(limits.frameBytesMax, peerBytesMax) : peerBytesMax,
    });
    this.#instance = hello.instance;
    this.#linkNumber = hello.link;
    this.#clientName = hello.client;
    if (!this.#host.admit(this)) {
      this.close(
        new MessagingError(
          "PROTOCOL_VIOLATION",
          `link ${hello.link} of instance ${quoted(hello.instance)} is older than one seen before`,
        ),
        "violation",
      );
      return;
    }
    this.#ordinal = this.#host.ordinalOf(hello.ordinal);
    this.#machine.send({ type: "hello.accepted" });
    this.#open = true;
    this.#wasOpen = true;
    this.#host.counters?.linkOpened();
    this.send({
      type: "welcome",
      version,
      brokerId: identity.id,
      broker: identity.name,
      frameBytesMax: limits.frameBytesMax,
      messageBytesMax: limits.messageBytesMax,
      inFlightBatchesMax: IN_FLIGHT_BATCHES_MAX,
      heartbeatMs: limits.heartbeatMs,
      leaseTtlMsMax: limits.leaseTtlMsMax,
      durabilityMax: identity.durabilityMax,
      ordinal: this.#ordinal,
    });
  }

  #dispatch(frame: ClientFrame): void {
    switch (frame.type) {
      case "batch.append":
        this.#lanes.append(frame);
        return;
      case "credit":
        this.#members.credit(frame);
        return;
      case "settle":
        this.#members.settle(frame);
        return;
      case "lane.open":
        this.#lanes.open(frame);
        return;
      case "lane.close":
        this.#lanes.close(frame.lane);
        return;
      case "topic.find":
        this.answering(frame, () => {
          this.rights.require(toFind(frame));
          this.#questions.find(frame);
        });
        return;
      case "member.join":
        void this.#members.join(frame);
        return;
      case "member.leave":
        this.#members.leave(frame.member);
        return;
      case "lease.acquire":
      case "lease.raise":
      case "lease.release":
      case "aside.put":
        this.answering(frame, () => {
          const member = this.#members.get(frame.member);
          const subscription = member.group.subscription(frame.queue);
          if (subscription === undefined)
            throw new MessagingError("PROTOCOL_VIOLATION", `queue ${frame.queue} is none of this broker's`);
          if (frame.type === "aside.put") return subscription.asidePut(member.port, withCutFailure(frame));
          if (frame.type === "lease.acquire") return subscription.acquire(member.port, frame);
          if (frame.type === "lease.raise") return subscription.raise(member.port, frame);
          return subscription.release(member.port, frame);
        });
        return;
      case "ask":
        this.answering(frame, () => this.#questions.ask(withCutReason(frame)));
        return;
      case "goodbye":
        this.close(null, "normal");
        return;
      case "hello":
        throw new MessagingError("PROTOCOL_VIOLATION", "a second hello came on one link");
      default:
        throw new MessagingError("PROTOCOL_VIOLATION", `a client must not send "${(frame as Frame).type}"`);
    }
  }
  /** What a request throws becomes its `refused`; a broken protocol, or a fault of ours, ends the link. */
  answering({ request, type }: { readonly request: number; readonly type: string }, work: () => void): void {
    try {
      work();
    } catch (error) {
      if (brokeProtocol(error)) throw error;
      this.refuse(request, error, type);
    }
  }
  /** Refuses a request with an error of ours. Anything else that was thrown is no answer to give. */
  refuse(request: number, error: unknown, doing: string): void {
    if (isMessagingError(error)) this.tellRefusal({ type: "refused", request, error });
    else this.fault(error, doing);
  }
  /** @throws `TOPIC_UNKNOWN` */
  topic(name: string): TopicHome {
    const topic = this.#host.topic(name);
    if (topic === undefined)
      throw new MessagingError(
        "TOPIC_UNKNOWN",
        `topic ${quoted(name)} is not known here: name it in the broker's \`topics\`, or declare it`,
        { data: { topic: name } },
      );
    return topic;
  }
}
