import { concatMap, groupBy, mergeMap, Subject } from "rxjs";
import { packBody, readBody } from "../../frame/message.ts";
import type { System } from "../../frame/system.ts";

interface Sent {
  readonly key: number;
  readonly body: Uint8Array;
  readonly settled: (error?: unknown) => void;
}
/** RxJS: groupBy, then one handler after another within each group. */
export const groupByKey: System = {
  async embedded(load, _at, take) {
    const sent = new Subject<Sent>();
    const handle = async ({ body, settled }: Sent): Promise<void> => {
      take(readBody(body));
      settled();
    };
    const running = sent
      .pipe(
        groupBy(({ key }) => key),
        mergeMap((lane) => lane.pipe(concatMap(handle))),
      )
      .subscribe();
    return {
      sender: {
        send: (message, settled) => sent.next({ key: message.key, body: packBody(message, load.bytes), settled }),
        close: async () => running.unsubscribe(),
      },
      receiver: { settled: async () => {}, close: async () => {} },
    };
  },
};
