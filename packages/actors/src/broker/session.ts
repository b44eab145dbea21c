import type { Actor } from "xstate";
import { asMessagingError, MessagingError, toWireError } from "../message/errors.ts";
import { isName } from "../message/topic.ts";
import type { Codec } from "../protocol/codec.ts";
import type { BrokerFrame, ClientFrame, Frame, Heartbeat, Hello, LaneOpen, MemberJoin } from "../protocol/frames.ts";
import { PROTOCOL_VERSION, PROTOCOL_VERSIONS } from "../protocol/frames.ts";
import { binaryCodec, codecOf, negotiateVersion } from "../protocol/index.ts";
import { Outbox } from "../protocol/outbox.ts";
import type { Question } from "../protocol/questions.ts";
import type { MemberPort } from "../queue/member-port.ts";
import type { LanePort, Queue } from "../queue/queue.ts";
import type { SharedSubscription } from "../queue/shared-subscription.ts";
import { Subscription } from "../queue/subscription.ts";
import type { ActorRegistry } from "../runtime/actor-registry.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { Authorizer, Logger, Right } from "../system/contracts.ts";
import type { IncomingLink, LinkCode } from "../transport/transport.ts";
import { Drain } from "./drain.ts";
import type { Group } from "./group.ts";
import { renewLeases } from "./renew-leases.ts";
import { sessionMachine } from "./session.machine.ts";
import type { TopicHome } from "./topic-home.ts";

/** What sessions ask of their broker. */
export interface SessionHost {
  readonly runtime: Runtime;
  readonly actors: ActorRegistry;
  readonly logger: Logger;
  readonly authorizer: Authorizer;
  readonly limits: BrokerLimits;
  readonly identity: {
    readonly id: string;
    readonly name: string;
    readonly durabilityMax: "memory" | "flushed" | "synced";
    readonly logEpoch: number;
  };
  topic(name: string): TopicHome | undefined;
  /** Closes older sessions of the instance; false when a newer link of it has been seen. */
  admit(session: Session, hello: Hello): boolean;
  ended(session: Session): void;
  /** Leases held by an instance here. */
  heldBy(instance: string): Iterable<Subscription>;
  /** Resolves at once when the ownership of the data was verified lately, else when it has been. */
  ownershipVerified(): Promise<void> | null;
  ask(session: Session, question: Question): Promise<unknown>;
}
export interface BrokerLimits {
  readonly messageBytesMax: number;
  readonly frameBytesMax: number;
  readonly heartbeatMs: number;
  readonly leaseTtlMsMax: number;
}
const HANDSHAKE_MS = 5_000;
const IN_FLIGHT_BATCHES_MAX = 32;
const LANES_MAX = 10_000;
const MEMBERS_MAX = 1_000;
/** Bytes waiting on a link at which it is given up: deliveries have paused long before, so its client asks and does not read. */
const OVERLOADED_BYTES = 32 * 1024 * 1024;
/** A link without any packet for this many heartbeats is given up. */
const SILENT_BEATS = 4;
/** After this many it is taken for silent: queues are offered to others first. */
const SUSPECT_BEATS = 2;

interface Lane {
  readonly queue: Queue;
  readonly port: LanePort;
}
interface Member {
  readonly port: MemberPort;
  readonly group: Group;
}

/** One link of one client: checks what comes in, hands it to queues and groups, batches what goes out. */
export class Session {
  readonly #host: SessionHost;
  readonly link: IncomingLink;
  readonly path: string;
  readonly #machine: Actor<typeof sessionMachine>;
  readonly #lanes = new Map<number, Lane>();
  readonly #members = new Map<number, Member>();
  /** Members whose group is being opened. */
  readonly #joining = new Set<number>();
  #outbox: Outbox | null = null;
  #codec: Codec = binaryCodec;
  #instance = "";
  #linkNumber = 0;
  #clientName = "";
  #grants = 0;
  #heardAt: number;
  #silenceTimer: unknown = null;
  readonly #drain: Drain;
  #open = false;
  #isOverloaded = false;
  #saidGoodbye = false;

  constructor(host: SessionHost, link: IncomingLink, id: string) {
    this.#host = host;
    this.link = link;
    this.path = `session/${id}`;
    this.#heardAt = host.runtime.now();
    this.#drain = new Drain(host.runtime, () => this.#outbox?.bufferedBytes ?? 0);
    this.#machine = host.actors.start({ kind: "session", path: this.path }, sessionMachine, {
      input: { handshakeMs: HANDSHAKE_MS },
    });
    this.#machine.on("handshake.late", () =>
      this.#goodbye(new MessagingError("PROTOCOL_VIOLATION", `no hello came within ${HANDSHAKE_MS} ms`), "violation"),
    );
    link.frames$.subscribe({ next: (packet) => this.#receive(packet), complete: () => this.#ended() });
    this.#watchSilence();
  }
  get instance(): string {
    return this.#instance;
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
  isProducing(queue: Queue, producer: string): boolean {
    for (const lane of this.#lanes.values()) if (lane.queue === queue && lane.port.producer === producer) return true;
    return false;
  }

  send(frame: BrokerFrame): void {
    if (!this.#open || this.#outbox === null) return;
    this.#outbox.push(frame);
    if (this.#outbox.bufferedBytes <= OVERLOADED_BYTES || this.#isOverloaded) return;
    this.#isOverloaded = true;
    this.#host.runtime.defer(() =>
      this.#goodbye(new MessagingError("LIMIT_EXCEEDED", "the client does not read what it asks for"), "overloaded"),
    );
  }
  /** An answer too large for a frame would end the link: it is refused instead. */
  #sendAnswer(frame: Extract<BrokerFrame, { readonly type: "answer" }>): void {
    if (!this.#open) return;
    const bytes = this.#codec.encode([frame]).length;
    const { frameBytesMax } = this.#host.limits;
    if (bytes <= frameBytesMax) {
      this.send(frame);
      return;
    }
    const error = new MessagingError(
      "LIMIT_EXCEEDED",
      `the answer has ${bytes} bytes, a frame holds ${frameBytesMax}: ask for less at once`,
      { data: { bytes, frameBytesMax } },
    );
    this.send({ type: "refused", request: frame.request, error: toWireError(error) });
  }
  /** Says why and ends the link; nothing more of it is processed. */
  close(error: MessagingError | null, code: LinkCode): void {
    this.#goodbye(error, code);
  }
  #goodbye(error: MessagingError | null, code: LinkCode): void {
    if (this.#saidGoodbye) return;
    this.#saidGoodbye = true;
    this.#outbox?.push({ type: "goodbye", error: error === null ? null : toWireError(error) });
    this.#outbox?.flush();
    this.#machine.send({ type: "session.end" });
    this.link.close(code, error?.message ?? "");
    this.#leaveAll();
  }
  #leaveAll(): void {
    if (!this.#open && this.#members.size === 0) return;
    this.#open = false;
    const members = [...this.#members.values()];
    this.#members.clear();
    this.#lanes.clear();
    for (const { port, group } of members) group.linkEnded(port);
  }
  #ended(): void {
    this.#leaveAll();
    if (this.#silenceTimer !== null) this.#host.runtime.clearTimeout(this.#silenceTimer);
    this.#drain.stop();
    this.#machine.send({ type: "link.ended" });
    this.#host.ended(this);
  }
  get #isSilent(): boolean {
    const { runtime, limits } = this.#host;
    return runtime.now() - this.#heardAt > limits.heartbeatMs * SUSPECT_BEATS;
  }
  #watchSilence(): void {
    const { runtime, limits } = this.#host;
    const limit = limits.heartbeatMs * SILENT_BEATS;
    this.#silenceTimer = runtime.setTimeout(() => {
      if (runtime.now() - this.#heardAt >= limit) {
        this.#machine.send({ type: "session.end" });
        this.link.abort();
        return;
      }
      this.#watchSilence();
    }, limit / 2);
  }

  #receive(packet: Uint8Array): void {
    if (this.#machine.getSnapshot().value === "closing") return;
    const wasSilent = this.#isSilent;
    this.#heardAt = this.#host.runtime.now();
    if (wasSilent) for (const { port, group } of this.#members.values()) group.heardAgain(port);
    try {
      const codec = codecOf(packet);
      const frames = codec.decode(packet);
      for (const frame of frames) {
        if (this.#machine.getSnapshot().value === "closing") return;
        this.#handle(frame, codec);
      }
    } catch (error) {
      const known = asMessagingError(error, "PROTOCOL_VIOLATION");
      if (known.code !== "PROTOCOL_VIOLATION")
        this.#host.logger.log("error", `${this.path}: a frame could not be handled`, { error: String(error) });
      this.#goodbye(known, "violation");
    }
  }
  #handle(frame: Frame, codec: Codec): void {
    if (!this.#open) {
      if (frame.type === "goodbye") {
        this.#goodbye(null, "normal");
        return;
      }
      if (frame.type !== "hello")
        throw new MessagingError("PROTOCOL_VIOLATION", `the first frame must be a hello, found "${frame.type}"`);
      this.#hello(frame, codec);
      return;
    }
    this.#dispatch(frame as ClientFrame);
  }
  #hello(hello: Hello, codec: Codec): void {
    const { limits, identity, runtime } = this.#host;
    this.#codec = codec;
    this.#outbox = new Outbox(this.link, codec, runtime, limits.frameBytesMax);
    const version = negotiateVersion(PROTOCOL_VERSIONS, hello.versions);
    if (version === null) {
      this.#goodbye(
        new MessagingError(
          "VERSION_UNSUPPORTED",
          `the client speaks protocol versions ${hello.versions.join(", ")}, this broker ${PROTOCOL_VERSION}`,
        ),
        "violation",
      );
      return;
    }
    this.#instance = hello.instance;
    this.#linkNumber = hello.link;
    this.#clientName = hello.client;
    if (!this.#host.admit(this, hello)) {
      this.#goodbye(
        new MessagingError(
          "PROTOCOL_VIOLATION",
          `link ${hello.link} of instance "${hello.instance}" is older than one seen before`,
        ),
        "violation",
      );
      return;
    }
    this.#machine.send({ type: "hello.accepted" });
    this.#open = true;
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
    });
  }

  #dispatch(frame: ClientFrame): void {
    switch (frame.type) {
      case "batch.append": {
        const lane = this.#lanes.get(frame.lane);
        if (lane === undefined)
          throw new MessagingError(
            "PROTOCOL_VIOLATION",
            `a batch came on lane ${frame.lane}, which was not opened on this link`,
          );
        lane.queue.append(lane.port, frame);
        return;
      }
      case "credit":
        this.#subscription(frame)?.subscription.credit(this.#member(frame.member).port, frame);
        return;
      case "settle": {
        const at = this.#subscription(frame);
        at?.subscription.settle(at.port, frame);
        return;
      }
      case "heartbeat":
        this.#heartbeat(frame);
        return;
      case "lane.open":
        this.#openLane(frame);
        return;
      case "lane.close":
        this.#lanes.delete(frame.lane);
        return;
      case "topic.find":
        this.#answering(frame.request, () => {
          const topic = this.#topic(frame.topic);
          this.send({ type: "topic.found", request: frame.request, route: topic.route, spec: topic.spec });
        });
        return;
      case "member.join":
        void this.#join(frame);
        return;
      case "member.leave": {
        this.#joining.delete(frame.member);
        const member = this.#members.get(frame.member);
        this.#members.delete(frame.member);
        member?.group.leave(member.port);
        return;
      }
      case "lease.acquire":
      case "lease.raise":
      case "lease.release":
      case "aside.put":
        this.#answering(frame.request, () => {
          const member = this.#member(frame.member);
          const subscription = member.group.subscription(frame.queue);
          if (subscription === undefined)
            throw new MessagingError("PROTOCOL_VIOLATION", `queue ${frame.queue} is none of this broker's`);
          if (frame.type === "aside.put") return subscription.asidePut(member.port, frame);
          if (!(subscription instanceof Subscription))
            throw new MessagingError(
              "PROTOCOL_VIOLATION",
              `the topic is unordered: its queues have no leases, found "${frame.type}"`,
            );
          if (frame.type === "lease.acquire") return subscription.acquire(member.port, frame);
          if (frame.type === "lease.raise") return subscription.raise(member.port, frame);
          return subscription.release(member.port, frame);
        });
        return;
      case "ask":
        this.#host.ask(this, frame.question).then(
          (answer) => this.#sendAnswer({ type: "answer", request: frame.request, answer: answer as never }),
          (error: unknown) =>
            this.send({ type: "refused", request: frame.request, error: toWireError(asMessagingError(error)) }),
        );
        return;
      case "goodbye":
        this.#goodbye(null, "normal");
        return;
      case "hello":
        throw new MessagingError("PROTOCOL_VIOLATION", "a second hello came on one link");
      default:
        throw new MessagingError("PROTOCOL_VIOLATION", `a client must not send "${(frame as Frame).type}"`);
    }
  }
  /** What a request throws becomes its `refused`; a broken protocol ends the link. */
  #answering(request: number, work: () => void): void {
    try {
      work();
    } catch (error) {
      const known = asMessagingError(error);
      if (known.code === "PROTOCOL_VIOLATION") throw known;
      this.send({ type: "refused", request, error: toWireError(known) });
    }
  }
  #topic(name: string): TopicHome {
    const topic = this.#host.topic(name);
    if (topic === undefined)
      throw new MessagingError(
        "TOPIC_UNKNOWN",
        `topic "${name}" is not known here: name it in the broker's \`topics\`, or declare it`,
        { data: { topic: name } },
      );
    return topic;
  }
  #member(member: number): Member {
    const known = this.#members.get(member);
    if (known === undefined)
      throw new MessagingError("UNAVAILABLE", `member ${member} has not joined on this link, or has left`);
    return known;
  }
  /** The subscription a consuming frame is about; undefined for one of a member that has left. */
  #subscription(frame: {
    readonly member: number;
    readonly queue: number;
  }): { readonly subscription: Subscription | SharedSubscription; readonly port: MemberPort } | undefined {
    const member = this.#members.get(frame.member);
    const subscription = member?.group.subscription(frame.queue);
    return member === undefined || subscription === undefined ? undefined : { subscription, port: member.port };
  }
  /** @throws `FORBIDDEN` */
  require(right: Right): void {
    if (this.#host.authorizer.authorize(this.link.principal, right)) return;
    throw new MessagingError(
      "FORBIDDEN",
      `"${this.link.principal.id}" may not ${right.verb} on ${right.topic === null ? "this broker" : `topic "${right.topic}"`}`,
      {
        data: { ...right },
      },
    );
  }

  #openLane(frame: LaneOpen): void {
    this.#answering(frame.request, () => {
      this.require({ verb: "produce", topic: frame.topic });
      const topic = this.#topic(frame.topic);
      if (!isName(frame.producer))
        throw new MessagingError(
          "OPTION_INVALID",
          `a producer's name is 1 to 128 of A-Z a-z 0-9 . _ -, found "${frame.producer}"`,
        );
      if (this.#lanes.size >= LANES_MAX)
        throw new MessagingError("LIMIT_EXCEEDED", `this link has ${LANES_MAX} lanes, the limit`);
      const queue = topic.queues[frame.queue];
      if (queue === undefined || frame.routeVersion > topic.route.version)
        throw new MessagingError(
          "WRONG_ROUTE",
          `topic "${frame.topic}" has ${topic.queues.length} queues at route version ${topic.route.version}`,
          {
            data: { version: topic.route.version },
          },
        );
      if (queue.state !== "active" && queue.state !== "full")
        throw new MessagingError("UNAVAILABLE", `${queue.path} is ${queue.state}`);
      const { epoch: given, expected, ready } = queue.log.openLane(frame.producer, frame.epoch, this.#instance);
      const port = {
        lane: frame.lane,
        producer: frame.producer,
        instance: this.#instance,
        epoch: given,
        send: (answer: BrokerFrame) => this.send(answer),
      };
      this.#lanes.set(frame.lane, { queue, port });
      ready.then(
        () =>
          this.send({
            type: "lane.opened",
            request: frame.request,
            lane: frame.lane,
            epoch: given,
            expected,
            logEpoch: this.#host.identity.logEpoch,
          }),
        (error: unknown) => {
          if (this.#lanes.get(frame.lane)?.port === port) this.#lanes.delete(frame.lane);
          this.send({
            type: "refused",
            request: frame.request,
            error: toWireError(asMessagingError(error, "UNAVAILABLE")),
          });
        },
      );
    });
  }

  async #join(frame: MemberJoin): Promise<void> {
    try {
      this.require({ verb: "consume", topic: frame.topic, group: frame.group });
      const topic = this.#topic(frame.topic);
      if (!isName(frame.group) || !isName(frame.name))
        throw new MessagingError(
          "OPTION_INVALID",
          `names of groups and consumers are 1 to 128 of A-Z a-z 0-9 . _ -, found "${frame.group}" and "${frame.name}"`,
        );
      if (this.#members.has(frame.member) || this.#joining.has(frame.member))
        throw new MessagingError("OPTION_INVALID", `member ${frame.member} has joined on this link already`);
      if (this.#members.size + this.#joining.size >= MEMBERS_MAX)
        throw new MessagingError("LIMIT_EXCEEDED", `this link has ${MEMBERS_MAX} members, the limit`);
      this.#joining.add(frame.member);
      const group = await topic.group(frame.group, frame.settings).catch((error: unknown) => {
        this.#joining.delete(frame.member);
        throw error;
      });
      const isWanted = this.#joining.delete(frame.member);
      if (!this.#open) return;
      if (!isWanted) throw new MessagingError("CLOSED", `member ${frame.member} has left before it had joined`);
      group.requireFree(frame.name);
      const port = this.#port(frame);
      this.#members.set(frame.member, { port, group });
      this.send({ type: "member.joined", request: frame.request, member: frame.member, ordered: topic.spec.ordered });
      group.join(port);
    } catch (error) {
      this.send({ type: "refused", request: frame.request, error: toWireError(asMessagingError(error)) });
    }
  }
  #port(join: MemberJoin): MemberPort {
    const self = this;
    return {
      instance: this.#instance,
      name: join.name,
      member: join.member,
      join,
      link: this,
      get open() {
        return self.#open;
      },
      get silent() {
        return self.#isSilent;
      },
      get congested() {
        return self.#drain.congested;
      },
      onDrained: (resume) => this.#drain.whenDrained(resume),
      send: (frame) => this.send(frame),
      nextGrant: () => ++this.#grants,
    };
  }
  #heartbeat(frame: Heartbeat): void {
    const verified = this.#host.ownershipVerified();
    if (verified === null) {
      this.#renew(frame);
      return;
    }
    verified.then(
      () => this.#renew(frame),
      () => {}, // the broker is past and closes
    );
  }
  #renew(frame: Heartbeat): void {
    if (!this.#open) return;
    const held = this.#host.heldBy(this.#instance);
    this.send(renewLeases({ find: (lease) => this.#subscription(lease), held, link: this }, frame));
  }
}
