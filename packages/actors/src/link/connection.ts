import { BehaviorSubject, type Observable } from "rxjs";
import { fromPromise } from "xstate";
import type { Logger } from "../contracts/logger.ts";
import type { ClientSettings } from "../contracts/options.ts";
import type { Link, Transport } from "../contracts/transport.ts";
import { asMessagingError, isMessagingError, MessagingError } from "../message/errors.ts";
import type { Codec } from "../protocol/codec.ts";
import { CLIENT_TAKES_BYTES_MAX } from "../protocol/frame-batcher.ts";
import type { Limited, Welcome } from "../protocol/frames.ts";
import type { ActorRegistry } from "../runtime/actor-registry.ts";
import { contained } from "../runtime/contained.ts";
import type { EventBus } from "../runtime/event-bus.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { BrokerLink } from "./broker-link.ts";
import { type ConnectionFailure, type ConnectionRef, connectionMachine } from "./connection.machine.ts";

export interface ConnectionOptions {
  readonly transport: Transport;
  readonly codec: Codec;
  readonly runtime: Runtime;
  readonly actors: ActorRegistry;
  readonly events: EventBus;
  readonly logger: Logger;
  readonly name: string;
  /** Of its actor. */
  readonly path: string;
  readonly instance: string;
  readonly token: ClientSettings["token"];
  readonly connectTimeoutMs: number;
}
const BACKOFF = { initialMs: 100, maxMs: 5_000 };
/** Same, after a fault at either end (`INTERNAL`): what brought it about is likely to come again. */
const FAULT_BACKOFF = { initialMs: 1_000, maxMs: 60_000 };

/** One line of the log in so much time, ms: the rest is on `events$`. */
const LIMIT_LOG_MS = 60_000;

/** Keeps one link to the broker: the machine says when, this dials, shakes hands and hands the open link out. */
export class Connection {
  /**
   * Emits the present link (or null) at once, then each change; completes when the client closes. Never errors: what a
   * reconnect failed with is told on `events$` (`link.closed`), and tried again.
   */
  readonly links$: Observable<BrokerLink | null>;
  readonly #links = new BehaviorSubject<BrokerLink | null>(null);
  /** Resolves with the first welcome; rejects when there will be none. */
  readonly ready: Promise<void>;
  readonly #options: ConnectionOptions;
  readonly #actor: ConnectionRef;
  #onReady!: () => void;
  #onFailure!: (error: MessagingError) => void;
  #raw: Link | null = null;
  #opening: BrokerLink | null = null;
  #welcome: Welcome | null = null;
  #numbers = 0;
  /** The first welcome from the data that this client works with: says how old it is among clients. */
  #numberedBy: Pick<Welcome, "brokerId" | "ordinal"> | null = null;
  /** Failures in a row: a link that did not live as long as the longest backoff counts as one. */
  #failures = 0;
  /** Faults in a row, in the same way. */
  #faults = 0;
  #openedAt = Number.NEGATIVE_INFINITY;
  #lastError: MessagingError | null = null;
  #limitLoggedAt = Number.NEGATIVE_INFINITY;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.links$ = contained(this.#links, (error) => {
      if (this.#opening === null) options.logger.log("error", "a fault of our own at the end of a link", { error });
      else this.#opening.fault(error, "taking up a link");
    });
    this.ready = new Promise((resolve, reject) => {
      this.#onReady = resolve;
      this.#onFailure = reject;
    });
    this.ready.catch(() => {}); // nobody may be waiting when the client is closed early
    this.#actor = options.actors.start(
      {
        kind: "connection",
        path: options.path,
        failed: (error) => this.#giveUp(asMessagingError(error)),
      },
      connectionMachine.provide({
        actors: {
          dial: fromPromise(({ signal }) => this.#dial(signal).catch((error) => this.#fail(error))),
          handshake: fromPromise(() => this.#handshake().catch((error) => this.#fail(this.#faultOr(error)))),
          serve: fromPromise(() => this.#serve()),
        },
      }) as typeof connectionMachine,
      { input: { connectTimeoutMs: options.connectTimeoutMs } },
    );
    this.#actor.on("link.opened", () => this.#publish());
    this.#actor.on("link.failed", ({ failure }) => this.#announceClosed(failure));
    this.#actor.on("connection.failed", ({ failure }) => this.#giveUp(failure?.error ?? null));
    this.#actor.on("close.due", () => this.#hangUp());
  }

  get link(): BrokerLink | null {
    return this.#links.value;
  }
  /** Limits of the present link's broker or, while there is none, of the last one's. */
  get welcome(): Welcome {
    return this.#welcome as Welcome; // nobody gets a client before the first welcome
  }
  close(): void {
    if (this.#actor.getSnapshot().status === "active") this.#actor.send({ type: "connection.close" });
    // where it had a link this says nothing
    this.#onFailure(new MessagingError("CLOSED", "the client was closed before it had a link"));
    this.#links.complete();
  }

  async #dial(signal: AbortSignal): Promise<void> {
    const { token, transport } = this.#options;
    const shown = typeof token === "function" ? await token() : (token ?? null);
    signal.throwIfAborted();
    const link = await transport.dial({ signal, token: shown, frameBytesMax: CLIENT_TAKES_BYTES_MAX });
    if (signal.aborted) {
      link.abort();
      signal.throwIfAborted();
    }
    this.#raw = link;
  }
  async #handshake(): Promise<void> {
    const { codec, runtime, logger, instance, name } = this.#options;
    const opening: BrokerLink = new BrokerLink({
      link: this.#raw as Link,
      codec,
      runtime,
      logger,
      instance,
      client: name,
      number: ++this.#numbers,
      ordinal: this.#numberedBy?.ordinal ?? null,
      onEnd: () => {
        if (this.#links.value === opening) this.#links.next(null);
      },
      onLimited: (limited) => this.#announceLimited(limited),
    });
    this.#opening = opening;
    this.#welcome = await opening.welcomed;
    if (this.#numberedBy?.brokerId !== this.#welcome.brokerId) this.#numberedBy = this.#welcome;
  }
  /** What is no error of ours was thrown over the welcome. */
  #faultOr(error: unknown): unknown {
    return isMessagingError(error) ? error : (this.#opening?.fault(error, "welcome") ?? error);
  }
  async #serve(): Promise<never> {
    const { error } = await (this.#opening as BrokerLink).over;
    return this.#fail(error ?? new MessagingError("CLOSED", "the client closed the link"));
  }
  /** What the machine's `onError` decides by. */
  #fail(thrown: unknown): never {
    const error = asMessagingError(thrown);
    const { runtime, transport } = this.#options;
    const backoff = transport.backoff ?? BACKOFF;
    const livedMs = this.#openedAt === Number.NEGATIVE_INFINITY ? 0 : runtime.now() - this.#openedAt;
    if (livedMs > backoff.maxMs) this.#failures = 0;
    if (livedMs > FAULT_BACKOFF.maxMs) this.#faults = 0;
    this.#openedAt = Number.NEGATIVE_INFINITY;
    const wait = isMessagingError(error, "INTERNAL")
      ? waitMs(FAULT_BACKOFF, this.#faults++)
      : waitMs(backoff, this.#failures++);
    this.#lastError = error;
    throw { error, retryMs: wait * (0.5 + 0.5 * runtime.random()) } satisfies ConnectionFailure;
  }

  #publish(): void {
    const link = this.#opening;
    if (link === null || !link.open) return; // ended in the meantime: `serve` tells
    this.#openedAt = this.#options.runtime.now();
    try {
      this.#options.events.emit({ type: "link.opened", broker: link.welcome.broker });
      this.#onReady();
      this.#links.next(link);
    } catch (error) {
      link.fault(error, "welcome");
    }
  }
  #announceClosed({ error, retryMs }: ConnectionFailure): void {
    const wasOpen = this.#opening !== null;
    this.#opening = null;
    this.#raw = null;
    // an attempt that found nobody is no news; a link that ended is, and so is a refusal that will not pass by itself
    if (!wasOpen && error.retryable) return;
    const broker = this.#welcome?.broker ?? "";
    const reference = isMessagingError(error, "INTERNAL") ? { reference: error.reference } : {};
    const retryInMs = Math.round(retryMs);
    this.#options.events.emit({ type: "link.closed", broker, code: error.code, retryInMs, ...reference });
    if (isMessagingError(error, "INTERNAL") && error.at === "broker")
      this.#options.logger.log("error", `${error.message}; the next link is tried in ${retryInMs} ms`, {
        broker,
        reference: error.reference,
      });
  }
  #announceLimited({ limit, max, retryInMs }: Limited): void {
    const { events, logger, runtime } = this.#options;
    const broker = this.#welcome?.broker ?? "";
    events.emit({ type: "link.limited", broker, limit, max, retryInMs });
    if (runtime.now() - this.#limitLoggedAt < LIMIT_LOG_MS) return;
    this.#limitLoggedAt = runtime.now();
    logger.log("warn", `broker "${broker}" reads this client later: it sends more than ${limit} (${max}) allows`, {
      limit,
      max,
      retryInMs,
    });
  }
  #giveUp(error: MessagingError | null): void {
    const { connectTimeoutMs } = this.#options;
    const cause = this.#lastError;
    const text = `there was no link to a broker within ${connectTimeoutMs} ms${cause === null ? "" : `: ${cause.message}`}`;
    const about = { ...(cause === null ? {} : { cause }), data: { connectTimeoutMs } };
    this.#onFailure(error ?? new MessagingError("CONNECT_TIMEOUT", text, about));
  }
  #hangUp(): void {
    const link = this.#opening;
    this.#opening = null;
    if (link === null) this.#raw?.abort();
    else {
      const wasOpen = link.open;
      link.close();
      if (wasOpen)
        this.#options.events.emit({
          type: "link.closed",
          broker: this.#welcome?.broker ?? "",
          code: null,
          retryInMs: null,
        });
    }
    this.#raw = null;
  }
}

const waitMs = ({ initialMs, maxMs }: typeof BACKOFF, times: number): number =>
  Math.min(initialMs * 2 ** Math.min(times, 30), maxMs);

/**
 * The present link or the next one. Rejects with the signal's reason, with `CLOSED` when the client closes, or with
 * what the first link failed with for good.
 */
export function nextLink(connection: Connection, signal?: AbortSignal): Promise<BrokerLink> {
  const present = connection.link;
  if (present !== null && signal?.aborted !== true) return Promise.resolve(present);
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(signal.reason);
      return;
    }
    const abort = (): void => {
      links.unsubscribe();
      reject(signal?.reason);
    };
    const done = (): void => {
      signal?.removeEventListener("abort", abort);
      // the subscription itself ends in the microtask below, once it is assigned
      void Promise.resolve().then(() => links.unsubscribe());
    };
    signal?.addEventListener("abort", abort, { once: true });
    connection.ready.catch(reject);
    const links = connection.links$.subscribe({
      next: (link) => {
        if (link === null) return;
        done();
        resolve(link);
      },
      error: (error) => reject(isMessagingError(error) ? error : asMessagingError(error)),
      complete: () => {
        signal?.removeEventListener("abort", abort);
        reject(new MessagingError("CLOSED", "the client is closed"));
      },
    });
  });
}
