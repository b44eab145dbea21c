import { createClient, type Transport } from "@seriatim/actors/client";
import { GROUP, HOT, JOBS, LOOSE, ONE, PARKED } from "./topics.ts";

const BODY = new Uint8Array(200);
/** Of the backlog: messages that are set aside behind one key, and as many of a key each. */
const PARKED_SHARE = 1 / 20;

/**
 * Fills the broker with what questions are about.
 * @param standing messages that wait for each group that nobody is a member of
 */
export async function prepare(transport: Transport, standing: number): Promise<void> {
  const client = await createClient({ transport, token: "worker", name: "prepare" });
  const room = { bufferMessagesMax: 2 * standing + 1_000, bufferBytesMax: Number.MAX_SAFE_INTEGER };
  const jobs = client.producer(JOBS, room);
  const sent: Promise<unknown>[] = [];
  for (let n = 0; n < standing * PARKED_SHARE; n++)
    for (const key of [PARKED, `bad-${n}`]) sent.push(jobs.send(BODY, { key }));
  for (let n = 0; n < standing; n++) sent.push(jobs.send(BODY, { key: HOT }));
  const loose = client.producer(LOOSE, room);
  for (let n = 0; n < standing; n++) sent.push(loose.send(BODY.subarray(0, 1), { key: "any" }));
  const one = client.producer(ONE);
  for (let n = 0; n < 10; n++) sent.push(one.send(BODY, { key: "one" }));
  await Promise.all(sent);
  const shipping = client.consumer(JOBS, { group: GROUP, retry: { attempts: 1 } });
  const running = shipping.run(({ key }) => {
    if (key !== HOT) throw new Error("not today");
  });
  await shipping.caughtUp();
  await shipping.close();
  await running;
  await client.close();
}
