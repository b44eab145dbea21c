import { Observable, type Observer, Subscriber } from "rxjs";

/**
 * The source, for observers that may throw: what they throw goes to `dropped`, and they stay subscribed. RxJS would throw it anew from a timer, which ends a process.
 * Within operators it is for RxJS to say what an error means.
 */
export function contained<T>(source: Observable<T>, dropped: (error: unknown) => void): Observable<T> {
  const stream = new Observable<T>((subscriber) => source.subscribe(subscriber));
  const subscribe = stream.subscribe.bind(stream);
  stream.subscribe = (given?: Partial<Observer<T>> | ((value: T) => void) | null) => {
    if (given == null || given instanceof Subscriber) return subscribe(given ?? undefined);
    const next = typeof given === "function" ? given : given.next?.bind(given);
    return subscribe({
      next: (value) => {
        try {
          next?.(value);
        } catch (error) {
          dropped(error);
        }
      },
      complete: () => typeof given !== "function" && given.complete?.(),
    });
  };
  return stream;
}
