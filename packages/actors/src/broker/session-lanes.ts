import { limitExceeded, MessagingError } from "../message/errors.ts";
import { quoted } from "../message/text.ts";
import { isName } from "../message/topic.ts";
import type { BatchAppend, LaneOpen } from "../protocol/frames.ts";
import type { BatchRefusal, LanePort } from "../queue/lane-intake.ts";
import type { Queue } from "../queue/queue.ts";
import { storeFailure } from "../store/known-errors.ts";
import { toProduce } from "./needed-rights.ts";
import type { SessionScope } from "./session-scope.ts";

const LANES_MAX = 10_000;
/** Batches of a lane without an answer, at most: what `welcome` announces. */
export const IN_FLIGHT_BATCHES_MAX = 32;

interface Lane {
  readonly queue: Queue;
  readonly port: LanePort;
  /** Batches without an answer. */
  inFlight: number;
  /** Why it takes nothing for now: its right has been revoked. */
  refusal: MessagingError | null;
  /** In order, until what came before them has its answers. What comes behind them is refused likewise. */
  readonly refused: BatchRefusal[];
  /** Its right is asked about no more. */
  readonly letGo: () => void;
}
/** The lanes of one link: each is a producer's way to one queue. */
export class SessionLanes {
  readonly #session: SessionScope;
  readonly #lanes = new Map<number, Lane>();

  constructor(session: SessionScope) {
    this.#session = session;
  }
  *producing(): Iterable<{ readonly queue: Queue; readonly producer: string }> {
    for (const { queue, port } of this.#lanes.values()) yield { queue, producer: port.producer };
  }
  append(frame: BatchAppend): void {
    const lane = this.#lanes.get(frame.lane);
    if (lane === undefined)
      throw new MessagingError(
        "PROTOCOL_VIOLATION",
        `a batch came on lane ${frame.lane}, which was not opened on this link`,
      );
    if (lane.inFlight >= IN_FLIGHT_BATCHES_MAX)
      throw new MessagingError(
        "PROTOCOL_VIOLATION",
        `lane ${frame.lane} has ${lane.inFlight} batches without an answer, and another came; the welcome announced at most ${IN_FLIGHT_BATCHES_MAX}`,
      );
    lane.inFlight++;
    const before = lane.refused.at(-1);
    if (before === undefined && lane.refusal === null) {
      lane.queue.append(lane.port, frame);
      return;
    }
    const { epoch, sequence, lane: number } = frame;
    const why = before ?? { error: lane.refusal as MessagingError, expected: null, retryAfterMs: null };
    lane.port.refuse({ ...why, type: "batch.refused", lane: number, epoch, sequence });
  }
  /** Answers keep the order of the batches: none is refused before the queue has answered what it got until then. */
  #refuse(lane: Lane): void {
    if (lane.refused.length === 0 || lane.refused.length < lane.inFlight) return;
    lane.inFlight = 0;
    for (const refusal of lane.refused.splice(0)) this.#session.sender.refuse(refusal);
  }
  #answered(lane: Lane): void {
    lane.inFlight--;
    if (lane.refused.length > 0) this.#refuse(lane);
  }
  open(frame: LaneOpen): void {
    const { sender, rights, topics, client, scope, life } = this.#session;
    sender.answering(frame, () => {
      const right = toProduce(frame.topic, frame.producer);
      rights.require(right);
      const topic = topics.require(frame.topic);
      if (!isName(frame.producer))
        throw new MessagingError(
          "OPTION_INVALID",
          `a producer's name is 1 to 128 of A-Z a-z 0-9 . _ -, found ${quoted(frame.producer)}`,
        );
      if (this.#lanes.size >= LANES_MAX)
        throw limitExceeded(
          "lanesMax",
          LANES_MAX,
          `this link has ${LANES_MAX} lanes (one for each producer and queue)`,
          "close producers, or send through more clients",
        );
      const queue = topic.queues[frame.queue];
      if (queue === undefined || frame.routeVersion > topic.route.version)
        throw new MessagingError(
          "WRONG_ROUTE",
          `topic ${quoted(frame.topic)} has ${topic.queues.length} queues at route version ${topic.route.version}`,
          {
            data: { version: topic.route.version },
          },
        );
      if (!queue.isOpen) throw new MessagingError("UNAVAILABLE", `${queue.path} is ${queue.state}`);
      const { epoch: given, expected, ready } = queue.openLane(frame.producer, frame.epoch, client);
      const port: LanePort = {
        lane: frame.lane,
        producer: frame.producer,
        instance: client.instance,
        epoch: given,
        send: (answer) => {
          sender.send(answer);
          if (answer.type === "batch.appended") this.#answered(lane);
        },
        refuse: (refusal) => {
          lane.refused.push(refusal);
          this.#refuse(lane);
        },
      };
      const letGo = rights.watch(right, (refusal) => {
        lane.refusal = refusal;
      });
      const lane: Lane = { queue, port, inFlight: 0, refusal: null, refused: [], letGo };
      this.#lanes.get(frame.lane)?.letGo();
      this.#lanes.set(frame.lane, lane);
      const answered = ready.then(
        () => {
          sender.send({
            type: "lane.opened",
            request: frame.request,
            lane: frame.lane,
            epoch: given,
            expected,
            logEpoch: scope.store.ownerEpoch,
          });
          if (frame.epoch !== null) queue.sendKept(port);
        },
        (error: unknown) => {
          if (this.#lanes.get(frame.lane) === lane) this.close(frame.lane);
          sender.refuseRequest(frame.request, storeFailure(error), frame.type);
        },
      );
      answered.catch((error: unknown) => life.fault(error, frame.type));
    });
  }
  close(lane: number): void {
    this.#lanes.get(lane)?.letGo();
    this.#lanes.delete(lane);
  }
  closeAll(): void {
    this.#lanes.clear(); // their rights are let go with the link
  }
}
