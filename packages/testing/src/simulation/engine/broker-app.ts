import type { Broker, Codec } from "@seriatim/actors";
import { isMessagingError } from "@seriatim/actors/client";
import { binaryCodec, Codecs, changedFrames, FaultyFrame, jsonCodec, startBroker } from "@seriatim/actors/internals";
import { SECRET } from "../watch/secret-watch.ts";
import { describeError } from "./describe-error.ts";
import { type App, type Incarnation, ProcessSlot } from "./process-slot.ts";
import { syncingStore } from "./syncing-store.ts";
import type { World } from "./world.ts";

/** So little that slow links and bursts pass it. */
const CONGESTED_BYTES = 4_096;
/** So little that turns go as several packets, and accounts in parts. */
const PACKET_BYTES = 2_048;
const RETRY_MS = 300;

/** A broker on the disk that outlives it. Started again when its store did not let it start. */
export class BrokerApp implements App {
  readonly #incarnation: Incarnation;
  #broker: Broker | null = null;
  #closed = false;

  /** Another incarnation has taken its place: one that starts again does not take the data back. */
  readonly #isOutlived: () => boolean;

  constructor(incarnation: Incarnation, isOutlived: () => boolean) {
    this.#incarnation = incarnation;
    this.#isOutlived = isOutlived;
    const { world, runtime } = incarnation;
    const { storeTrouble, counters, broker } = world;
    const random = world.stream(`${incarnation.process} store`);
    world.disk.beforeApply = () => {
      if (storeTrouble.failRate > 0 && random() < storeTrouble.failRate) {
        counters.hit("commitFailed");
        throw new Error(`the disk failed: ${SECRET}`);
      }
      const ms = Math.max(storeTrouble.eachMs, broker.commitMs) * random();
      if (ms <= 0) return undefined;
      storeTrouble.applying++;
      world.runtime.setTimeout(() => storeTrouble.applying--, ms); // also when the process dies
      return new Promise((resolve) => void runtime.setTimeout(resolve, ms));
    };
    void this.#start();
  }
  async #start(): Promise<void> {
    const { world, runtime, side, process } = this.#incarnation;
    const { network, topicSpecs, disk, counters } = world;
    const random = world.stream(`${process} sync`);
    const fails = (): boolean => {
      const failed = world.storeTrouble.failRate > 0 && random() < world.storeTrouble.failRate;
      if (failed) counters.hit("syncFailed");
      return failed;
    };
    const store = syncingStore({ disk, runtime, syncMs: world.broker.syncMs, fails });
    try {
      const broker = await startBroker(
        {
          name: "broker",
          topics: topicSpecs,
          heartbeatMs: world.broker.heartbeatMs,
          leaseTtlMsMax: world.leaseTtlMsMax ?? undefined,
          framesPerSecondMax: world.broker.framesPerSecondMax,
          questionsPerSecondMax: world.broker.questionsPerSecondMax,
        },
        {
          transports: [network.transport(side)],
          store,
          runtime,
          codecs: codecsThatFail(world),
          authenticator: {
            authenticate: async (token) => {
              const { tokenGoodForMs } = world;
              const expiry = tokenGoodForMs === null ? {} : { expiresAtMs: runtime.wallNow() + tokenGoodForMs };
              return { id: token ?? "anybody", ...expiry };
            },
          },
          authorizer: {
            authorize: ({ id }, { verb }) => (verb !== "produce" && verb !== "consume") || !world.rights.isRevoked(id),
          },
          congestedBytes: CONGESTED_BYTES,
          packetBytes: PACKET_BYTES,
          ...(world.broker.sliceFrames === undefined ? {} : { sliceFrames: world.broker.sliceFrames }),
          logger: {
            log: (level, text, data) =>
              world.trace.text(`${process} ${level} ${text} ${JSON.stringify(data, withoutStacks)}`),
          },
        },
      );
      this.#broker = broker;
      broker.events$.subscribe((event) => counters.event(event));
      broker.actors.watch("broker").subscribe(({ state }) => {
        if (state === "failed") counters.hit("oldBrokerWokeFenced");
      });
      for (const { path, state } of broker.actors.list("subscription")) counters.subscriptionState(path, state);
      broker.actors.watch("subscription").subscribe(({ path, state }) => counters.subscriptionState(path, state));
    } catch (error) {
      if (runtime.isDead || this.#closed || this.#isOutlived()) return;
      const passes = isMessagingError(error) && (error.retryable || error.code === "STORE_IN_USE");
      if (!passes) world.violate("P3", `${process} cannot start on its own data: ${describeError(error)}`);
      runtime.setTimeout(() => void this.#startAgain(), RETRY_MS);
    }
  }
  async #startAgain(): Promise<void> {
    if (!this.#closed && !this.#isOutlived()) await this.#start();
  }
  async close(): Promise<void> {
    this.#closed = true;
    await this.#broker?.close();
  }
}

/** Codecs as ever, but for frames that the broker is to fail at. */
function codecsThatFail(world: World): Codecs {
  const failing = (codec: Codec): Codec => ({
    name: codec.name,
    versions: codec.versions,
    at: (version) => failing(codec.at(version)),
    refusal: (frame) => codec.refusal(frame),
    encode: (frames) => codec.encode(frames),
    decode: (packet) => codec.decode(packet),
    answerTo: (kind, answer) => codec.answerTo(kind, answer),
    reader: (packet) =>
      changedFrames(codec.reader(packet), (frame) => {
        const { ownFault } = world;
        if (ownFault?.frame !== frame.type) return frame;
        world.ownFault = null;
        return new FaultyFrame(ownFault.look, { text: `injected: ${SECRET}` }).wrap(frame);
      }),
  });
  return new Codecs(failing(binaryCodec), failing(jsonCodec));
}

export function brokerSlot(world: World): ProcessSlot<BrokerApp> {
  const slot: ProcessSlot<BrokerApp> = new ProcessSlot(world, {
    name: "broker",
    role: "broker",
    settings: {},
    begin: (incarnation) => new BrokerApp(incarnation, () => slot.incarnation !== incarnation),
  });
  return slot;
}

/** A stack tells where the code lies and who called it, which is no part of what a seed does. */
const withoutStacks = (name: string, value: unknown): unknown => (name === "stack" ? undefined : value);
