import type { Observable } from "rxjs";
import type { CloseOptions, WaitOptions } from "../contracts/options.ts";
import { closeTimeout } from "../contracts/options.ts";
import { ask } from "../link/ask.ts";
import { MessagingError } from "../message/errors.ts";
import type { Keying, Topic } from "../message/topic.ts";
import { Waits } from "../runtime/waits.ts";
import type { AttemptContext } from "./attempt.ts";
import { type ConsumerRef, consumerMachine } from "./consumer.machine.ts";
import type { Consumer, ConsumerOptions, ContextOf, Delivery } from "./consumer-api.ts";
import { consumerSettings } from "./consumer-settings.ts";
import type { AnyTopic } from "./entry.ts";
import { deliveriesOf, type Form, HandlerForm, LoopForm } from "./forms.ts";
import { Membership } from "./membership.ts";
import { RetrySchedule } from "./retry-schedule.ts";
import type { ConsumerEnvironment, ConsumerScope } from "./scope.ts";
import { StartGate } from "./start-gate.ts";

/**
 * A consumer of one topic in one group. It joins the group when its consumption starts, in one of the three forms.
 * @param ended told once, when it has closed or failed for good
 * @throws `OPTION_INVALID`
 */
export function createConsumer<In, Out, O extends boolean>(
  environment: ConsumerEnvironment,
  topic: Topic<In, Out, Keying, O>,
  options: ConsumerOptions<O>,
  clientName: string,
  ended: () => void = () => {},
): Consumer<Out, ContextOf<O>> {
  const settings = consumerSettings(topic.ordered, options, clientName);
  const scope: ConsumerScope = {
    environment,
    topic: topic as unknown as AnyTopic,
    settings,
    schedule: new RetrySchedule(settings.retry, () => environment.runtime.random()),
    path: freePath(environment, `${topic.name}/${settings.group}/${settings.name}`),
  };
  return new GroupConsumer(scope, ended) as unknown as Consumer<Out, ContextOf<O>>;
}

class GroupConsumer implements Consumer<unknown, AttemptContext> {
  readonly name: string;
  readonly group: string;
  readonly deliveries$: Observable<Delivery<unknown, AttemptContext>>;
  readonly #scope: ConsumerScope;
  readonly #actor: ConsumerRef;
  readonly #gate: StartGate;
  readonly #joins = new Waits<null>();
  readonly #closed = promiseParts<void>();
  readonly #ended: () => void;
  #claimed = false;
  #membership: Membership | null = null;
  #over = false;
  /** What it failed with for good. */
  #failure: MessagingError | null = null;

  constructor(scope: ConsumerScope, ended: () => void) {
    const { environment, settings, path } = scope;
    this.name = settings.name;
    this.group = settings.group;
    this.#scope = scope;
    this.#ended = ended;
    this.#gate = new StartGate(environment.runtime, () => this.#membership?.pump());
    this.deliveries$ = deliveriesOf(
      (form) => {
        this.#claim();
        this.#consume(form);
      },
      () => void this.close(),
    );
    this.#actor = environment.actors.start(
      {
        kind: "consumer",
        path,
        failed: (error) => this.#leave(new MessagingError("CLOSED", "the consumer failed", { cause: error })),
      },
      consumerMachine,
      { input: { graceMs: settings.handlerGraceMs } },
    );
    this.#actor.on("join.due", () => this.#membership?.start());
    this.#actor.on("consumer.joined", () => this.#joins.release(() => true));
    this.#actor.on("drain.begun", ({ timeoutMs }) => this.#drain(timeoutMs));
    this.#actor.on("drain.late", () => this.#endIf(this.#membership?.busy === 0));
    this.#actor.on("consumer.closed", ({ failure }) => this.#leave(failure));
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
    this.#gate.form = form;
    this.#membership = new Membership(this.#scope, this.#gate, this.#actor);
    this.#actor.send({ type: "consumption.started" });
  }

  /* ---------- beside them ---------- */

  ready(options: WaitOptions = {}): Promise<void> {
    if (this.#actor.getSnapshot().context.joined) return Promise.resolve();
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
      const { environment } = this.#scope;
      const { name: topic } = this.#scope.topic;
      const ends = await ask(environment, { kind: "ends", topic, group: this.group }, over.signal);
      if (this.#claimed) await this.ready({ signal: over.signal }); // the first member's join makes the group known
      await ask(environment, { kind: "reached", topic, group: this.group, ends }, over.signal);
    } finally {
      this.#stops.delete(stop);
      options.signal?.removeEventListener("abort", onAbort);
    }
  }
  readonly #stops = new Set<() => void>();

  pause(): void {
    this.#gate.paused = true;
  }
  resume(): void {
    if (!this.#gate.paused) return;
    this.#gate.paused = false;
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
    this.#membership?.drain(timeoutMs);
    this.#endIf((this.#membership?.workers ?? 0) === 0);
  }
  #endIf(isIdle: boolean): void {
    if (isIdle) this.#actor.send({ type: "workers.ended" });
  }
  #leave(failure: MessagingError | null): void {
    if (this.#over) return;
    this.#over = true;
    this.#failure = failure;
    const { environment, topic } = this.#scope;
    if (failure !== null)
      environment.logger.log(
        "error",
        `consumer "${this.name}" of group "${this.group}" on topic "${topic.name}" failed for good`,
        { error: failure },
      );
    this.#membership?.leave();
    this.#gate.stop();
    for (const stop of [...this.#stops]) stop();
    this.#joins.failAll(failure ?? this.#closedError());
    if (failure === null) this.#closed.resolve();
    else this.#closed.reject(failure);
    this.#gate.form?.end(failure);
    this.#ended();
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
/**
 * The path of an actor is unique among the living: consumers
 * that the broker will refuse for their name still show apart.
 */
function freePath({ actors }: ConsumerEnvironment, path: string): string {
  const taken = new Set(actors.list("consumer").map((consumer) => consumer.path));
  let free = path;
  for (let number = 2; taken.has(free); number++) free = `${path}#${number}`;
  return free;
}
