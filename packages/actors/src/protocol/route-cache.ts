import type { TopicFound } from "./frames.ts";

/** A route, and what goes with it, as one codec writes it. */
interface Written<T> {
  readonly spec: TopicFound["spec"];
  readonly written: T;
}

/**
 * `topic.found` says the same each time a topic is asked for, but for the number of the request: routes of thousands
 * of queues are written once, for as long as their topic lives.
 */
export class RouteCache<T> {
  readonly #write: (fields: Pick<TopicFound, "route" | "spec">) => T;
  readonly #written = new WeakMap<TopicFound["route"], Written<T>>();

  constructor(write: (fields: Pick<TopicFound, "route" | "spec">) => T) {
    this.#write = write;
  }
  of({ route, spec }: Pick<TopicFound, "route" | "spec">): T {
    const known = this.#written.get(route);
    if (known?.spec === spec) return known.written;
    const written = this.#write({ route, spec });
    this.#written.set(route, { spec, written });
    return written;
  }
}
