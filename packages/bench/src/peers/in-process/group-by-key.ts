import { concatMap, groupBy, mergeMap, Subject } from "rxjs";
import { type Outgoing, readBody } from "../../frame/message.ts";
import type { System } from "../../frame/system.ts";

/** RxJS: groupBy, then one handler after another within each group. */
export const groupByKey: System = {
  async embedded(_load, _at, take) {
    const sent = new Subject<Outgoing>();
    const handle = async ({ body, acknowledged }: Outgoing): Promise<void> => {
      take(readBody(body));
      acknowledged();
    };
    const running = sent
      .pipe(
        groupBy(({ key }) => key),
        mergeMap((lane) => lane.pipe(concatMap(handle))),
      )
      .subscribe();
    return {
      sender: {
        send: (message) => sent.next(message),
        close: async () => running.unsubscribe(),
      },
      receiver: { settled: async () => {}, close: async () => {} },
    };
  },
};
