import { Observable, type Observer, Subscriber } from "rxjs";

/** Runs a step of the user's; what it throws goes to `dropped`. */
export function guarded(step: () => void, dropped: (error: unknown) => void): void {
  try {
    step();
  } catch (error) {
    dropped(error);
  }
}

/**
 * The source, for observers that may throw: what they throw goes to `dropped`, and they stay subscribed, behind
 * operators (`pipe`), too. RxJS would throw it anew from a timer, which ends a process; so it would an error that an
 * operator makes of what its function throws, where nobody takes that.
 */
export function contained<T>(source: Observable<T>, dropped: (error: unknown) => void): Observable<T> {
  const stream = new Observable<T>((subscriber) => source.subscribe(subscriber));
  const lift = stream.lift.bind(stream);
  stream.lift = (operator) => contained(lift(operator), dropped);
  const subscribe = stream.subscribe.bind(stream);
  stream.subscribe = (given?: Partial<Observer<T>> | ((value: T) => void) | null) => {
    if (given instanceof Subscriber) return subscribe(given);
    const observer = typeof given === "function" ? { next: given } : (given ?? {});
    return subscribe({
      next: (value) => {
        try {
          observer.next?.(value); // without a closure: frames come this way
        } catch (error) {
          dropped(error);
        }
      },
      error: (error) => guarded(() => (observer.error === undefined ? dropped(error) : observer.error(error)), dropped),
      complete: () => guarded(() => observer.complete?.(), dropped),
    });
  };
  return stream;
}
