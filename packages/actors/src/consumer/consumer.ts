import type { Observable } from "rxjs";
import type { CloseOptions, WaitOptions } from "../contracts/options.ts";
import { closeTimeout } from "../contracts/options.ts";
import { ask } from "../link/ask.ts";
import type { ClientEnvironment } from "../link/client-environment.ts";
import { MessagingError } from "../message/errors.ts";
import type { Keying, Topic } from "../message/topic.ts";
import { Waits } from "../runtime/waits.ts";
import type { AttemptContext } from "./attempt.ts";
import { type ConsumerRef, consumerMachine } from "./consumer.machine.ts";
import type { Consumer, ConsumerOptions, ContextOf, Delivery } from "./consumer-api.ts";
import { type ConsumerSettings, consumerSettings } from "./consumer-settings.ts";
import type { Form } from "./form.ts";
import { deliveriesOf, HandlerForm, LoopForm } from "./forms.ts";
import { Membership } from "./membership.ts";
import { Pace } from "./pace.ts";
import { RetrySchedule } from "./retry-schedule.ts";
import { WaitingLine } from "./waiting-line.ts";
import type { AnyTopic, Work } from "./work.ts";

/**
 * A consumer of one topic in one group. It joins the group when its consumption starts, in one of the three forms.
 * @param ended told once, when it has closed or failed for good
 * @throws `OPTION_INVALID`
 */
export function createConsumer<In, Out, O extends boolean>(
  environment: ClientEnvironment,
  topic: Topic<In, Out, Keying, O>,
  options: ConsumerOptions<O>,
  clientName: string,
  ended: () => void = () => {},
): Consumer<Out, ContextOf<O>> {
  const settings = consumerSettings(topic.ordered, options, clientName);
  return new GroupConsumer(environment, topic as unknown as AnyTopic, settings, ended) as unknown as Consumer<
    Out,
    ContextOf<O>
  >;
}

class GroupConsumer implements Consumer<unknown, AttemptContext> {
  readonly name: string;
  readonly group: string;
  readonly deliveries$: Observable<Delivery<unknown, AttemptContext>>;
  readonly #environment: ClientEnvironment;
  readonly #topic: AnyTopic;
  readonly #settings: ConsumerSettings;
  readonly #actor: ConsumerRef;
  readonly #path: string;
  readonly #pace: Pace;
  #joined = false;
  readonly #joins = new Waits<null>();
  readonly #closed = promiseParts<void>();
  #form: Form | null = null;
  #claimed = false;
  #membership: Membership | null = null;
  #paused = false;
  #over = false;
  /** What it failed with for good. */
  #failure: MessagingError | null = null;

  constructor(environment: ClientEnvironment, topic: AnyTopic, settings: ConsumerSettings, ended: () => void) {
    this.name = settings.name;
    this.group = settings.group;
    this.#environment = environment;
    this.#topic = topic;
    this.#settings = settings;
    this.#pace = new Pace(environment.runtime, () => this.#membership?.pump());
    this.#path = freePath(environment, `${topic.name}/${settings.group}/${settings.name}`);
    this.deliveries$ = deliveriesOf(
      (form) => {
        this.#claim();
        this.#consume(form);
      },
      () => void this.close(),
    );
    const logic = consumerMachine.provide({
      guards: { isIdle: () => (this.#membership?.busy ?? 0) === 0 },
      actions: {
        join: () => this.#membership?.start(),
        tellJoined: () => {
          this.#joined = true;
          this.#joins.release(() => true);
        },
        drainWorkers: (_, timeoutMs) => this.#drain(timeoutMs),
        leave: (_, failure) => {
          this.#leave(failure);
          ended();
        },
      },
    });
    this.#actor = environment.actors.start(
      {
        kind: "consumer",
        path: this.#path,
        failed: (error) => this.#leave(new MessagingError("CLOSED", "the consumer failed", { cause: error })),
      },
      logic,
      { input: { graceMs: settings.handlerGraceMs } },
    );
  }

  /* ---------- the three forms ---------- */

  run(handler: unknown): Promise<void> {
    try {
      const form = new HandlerForm(handler);
      this.#claim();
      this.#consume(form);
    } catch (error) {
      return Promise.reject(error);
    }
    return this.#closed.promise;
  }
  [Symbol.asyncIterator](): AsyncIterator<Delivery<unknown, AttemptContext>, undefined> {
    this.#claim();
    const form: LoopForm = new LoopForm(
      () => this.#consume(form),
      () => this.#membership?.pump(),
      () => this.close(),
    );
    return form;
  }
  #claim(): void {
    if (this.#over || this.#actor.getSnapshot().value !== "open") throw this.#closedError();
    if (this.#claimed)
      throw new MessagingError(
        "ALREADY_CONSUMING",
        `consumer "${this.name}" is consumed already: it takes one form, once`,
      );
    this.#claimed = true;
  }
  #consume(form: Form): void {
    if (this.#over) {
      form.end(null);
      return;
    }
    this.#form = form;
    const { retry } = this.#settings;
    const paused = () => this.#paused;
    const work: Work = {
      environment: this.#environment,
      topic: this.#topic,
      settings: this.#settings,
      schedule: new RetrySchedule(retry, () => this.#environment.runtime.random()),
      form,
      pace: this.#pace,
      line: new WaitingLine(),
      path: this.#path,
      get paused() {
        return paused();
      },
    };
    this.#membership = new Membership(work, {
      joined: () => this.#actor.send({ type: "member.joined" }),
      failed: (error) => this.#actor.send({ type: "consumption.failed", error }),
      workerEnded: (left) => {
        if (left === 0 && !this.#over) this.#actor.send({ type: "workers.ended" });
      },
    });
    this.#actor.send({ type: "consumption.started" });
  }

  /* ---------- beside them ---------- */

  ready(options: WaitOptions = {}): Promise<void> {
    if (this.#joined) return Promise.resolve();
    return this.#over ? Promise.reject(this.#failure ?? this.#closedError()) : this.#joins.wait(null, options);
  }
  caughtUp(options: WaitOptions = {}): Promise<void> {
    const caughtUp = this.#catchUp(options);
    caughtUp.catch(() => {});
    return caughtUp;
  }
  async #catchUp(options: WaitOptions): Promise<void> {
    if (this.#over) throw this.#closedError();
    const over = new AbortController();
    const stop = () => over.abort(this.#failure ?? this.#closedError());
    const onAbort = () => over.abort(options.signal?.reason);
    if (options.signal?.aborted === true) onAbort();
    options.signal?.addEventListener("abort", onAbort, { once: true });
    this.#stops.add(stop);
    try {
      const { name: topic } = this.#topic;
      const ends = await ask(this.#environment, { kind: "ends", topic, group: this.group }, over.signal);
      if (this.#claimed) await this.ready({ signal: over.signal }); // the first member's join makes the group known
      await ask(this.#environment, { kind: "reached", topic, group: this.group, ends }, over.signal);
    } finally {
      this.#stops.delete(stop);
      options.signal?.removeEventListener("abort", onAbort);
    }
  }
  readonly #stops = new Set<() => void>();

  pause(): void {
    this.#paused = true;
  }
  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#membership?.pumpAll();
  }
  async close(options: CloseOptions = {}): Promise<void> {
    const timeoutMs = closeTimeout(options.timeoutMs);
    if (!this.#over) this.#actor.send({ type: "consumer.close", timeoutMs });
    await this.#closed.promise.catch(() => {}); // what it failed with is for whoever consumes
  }
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /* ---------- what the machine decided ---------- */

  #drain(timeoutMs: number): void {
    const membership = this.#membership;
    if (membership === null || membership.workers === 0) this.#actor.send({ type: "workers.ended" });
    else membership.drain(timeoutMs);
  }
  #leave(failure: MessagingError | null): void {
    if (this.#over) return;
    this.#over = true;
    this.#failure = failure;
    if (failure !== null)
      this.#environment.logger.log(
        "error",
        `consumer "${this.name}" of group "${this.group}" on topic "${this.#topic.name}" failed for good`,
        { error: failure },
      );
    this.#membership?.leave();
    this.#pace.stop();
    for (const stop of [...this.#stops]) stop();
    this.#joins.failAll(failure ?? this.#closedError());
    if (failure === null) this.#closed.resolve();
    else this.#closed.reject(failure);
    this.#form?.end(failure);
  }
  #closedError(): MessagingError<"CLOSED"> {
    const cause = this.#failure === null ? {} : { cause: this.#failure };
    return new MessagingError("CLOSED", `consumer "${this.name}" of group "${this.group}" is closed`, cause);
  }
}

interface PromiseParts<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (error: unknown) => void;
}
/** A rejection that nobody waits for ends nothing. */
function promiseParts<T>(): PromiseParts<T> {
  let resolve!: (value: T) => void;
  let reject!: (error: unknown) => void;
  const promise = new Promise<T>((onValue, onError) => {
    resolve = onValue;
    reject = onError;
  });
  promise.catch(() => {});
  return { promise, resolve, reject };
}
/** The path of an actor is unique among the living: consumers that the broker will refuse for their name still show apart. */
function freePath({ actors }: ClientEnvironment, path: string): string {
  const taken = new Set(actors.list("consumer").map((consumer) => consumer.path));
  let free = path;
  for (let number = 2; taken.has(free); number++) free = `${path}#${number}`;
  return free;
}
