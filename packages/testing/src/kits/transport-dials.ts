import { MessagingError } from "@seriatim/actors";
import {
  collect,
  count,
  frame,
  rejects,
  rejectsWith,
  same,
  sameFrames,
  sleep,
  type TransportTests,
  textsOf,
  until,
  within,
} from "./transport-harness.ts";

/** Dialling, and listening. */
export function dials({ promise }: TransportTests): void {
  promise("hands the token to the authenticator as it is, and the principal to the listening side", async (bench) => {
    const tokens: (string | null)[] = ["s3cret", "with space", "", "ünï😀", null, `${"x".repeat(2_000)}==`];
    for (const token of tokens) {
      const [, accepted] = await bench.pair({ token });
      same(bench.asked.at(-1), token, "the token the authenticator got");
      same(accepted.principal, { id: `principal of ${token}` }, "the principal");
      if (accepted.remote === "") throw new Error("`remote` must say where the link came from");
    }
  });

  promise("refuses a token: UNAUTHENTICATED, and no link", async (bench) => {
    await bench.listen({ authenticate: async () => null });
    await rejects(bench.dial({ token: "wrong" }), "UNAUTHENTICATED");
    await rejects(bench.dial({ token: null }), "UNAUTHENTICATED");
    same(bench.accepted.length, 0, "links");
  });

  promise(
    "survives an authenticator that throws: UNAVAILABLE, and the next dial is asked about anew",
    async (bench) => {
      await bench.listen({
        authenticate: async (token) => {
          if (token === "bad") throw new Error("the directory is down");
          return { id: "a" };
        },
      });
      await rejects(bench.dial({ token: "bad" }), "UNAVAILABLE");
      await within(bench.dial({ token: "good" }), "the next dial");
    },
  );

  promise("tells the dialling side nothing of what an authenticator threw, but a broker's reference", async (bench) => {
    const secret = "the password is swordfish";
    const reference = "c0ffee00-0000-4000-8000-000000000000";
    await bench.listen({
      authenticate: async (token) => {
        if (token === "own") throw new MessagingError("UNAVAILABLE", secret, { data: { reference } });
        throw new Error(secret, { cause: new Error(secret) });
      },
    });
    for (const token of ["own", "foreign"]) {
      const error = await bench.dial({ token }).then(
        () => null,
        (refused: unknown) => refused,
      );
      const told = textsOf(error);
      if (told.includes("swordfish")) throw new Error(`the dialling side was told: ${told}`);
      same(told.includes(reference), token === "own", "whether it was told the reference");
    }
  });

  promise("gives up before dialling when the signal has fired", async (bench) => {
    await bench.listen();
    const reason = new Error("changed my mind");
    await rejectsWith(bench.dial({ signal: AbortSignal.abort(reason) }), reason);
    await sleep(20);
    same(bench.asked.length, 0, "times the authenticator was asked");
    same(bench.accepted.length, 0, "links");
  });

  promise("gives up while dialling when the signal fires, and tells the authenticator", async (bench) => {
    let asked = 0;
    let told = 0;
    await bench.listen({
      authenticate: (_token, signal) =>
        new Promise((resolve) => {
          asked++;
          signal.addEventListener("abort", () => {
            told++;
            resolve({ id: "too late" });
          });
        }),
    });
    const controller = new AbortController();
    const reason = new Error("changed my mind");
    const dialling = bench.dial({ signal: controller.signal });
    const rejected = rejectsWith(dialling, reason);
    await until(() => asked === 1, "the question to the authenticator");
    controller.abort(reason);
    await rejected;
    await until(() => told === 1, "the authenticator's signal");
    await sleep(20);
    same(bench.accepted.length, 0, "links");
  });

  promise("leaves an open link alone when the signal of its dial fires", async (bench) => {
    const controller = new AbortController();
    const [dialled, accepted] = await bench.pair({ signal: controller.signal });
    controller.abort();
    const got = collect(accepted);
    dialled.send(frame(1, 1));
    await until(() => got.frames.length === 1, "the frame");
  });

  promise("keeps links until somebody subscribes, and completes when closed", async (bench) => {
    const listener = await bench.listen({}, { subscribe: false });
    const dialled = [await bench.dial(), await bench.dial()];
    for (const [n, link] of dialled.entries()) link.send(frame(n, 4));
    await sleep(20);
    const arrivals = bench.subscribe(listener);
    await until(() => bench.accepted.length === 2, "both links");
    const got = bench.accepted.map((link) => collect(link));
    await until(() => got.every(({ frames }) => frames.length === 1), "the frame on each");
    sameFrames(
      got.flatMap(({ frames }) => frames),
      [frame(0, 4), frame(1, 4)],
    );
    await within(listener.close(), "close");
    await within(arrivals, "completion of links$");
  });

  promise("accepts nothing once closed, and leaves its links open", async (bench) => {
    const [dialled, accepted] = await bench.pair();
    const listener = await bench.listen();
    await within(Promise.all([listener.close(), listener.close()]), "close");
    await rejects(bench.dial(), "UNAVAILABLE");
    const got = collect(accepted);
    dialled.send(frame(1, 10));
    await until(() => got.frames.length === 1, "a frame on the link that stayed");
  });

  promise("ends its links as unavailable when disposed, and can listen again", async (bench) => {
    const [dialled, accepted] = await bench.pair();
    const got = collect(dialled);
    accepted.send(frame(1, 10));
    const listener = await bench.listen();
    await within(listener[Symbol.asyncDispose](), "dispose");
    for (const link of [dialled, accepted]) same((await within(link.ended, "the end")).code, "unavailable", "the end");
    await within(got.completed, "completion");
    sameFrames(got.frames, [frame(1, 10)]);
    await rejects(bench.dial(), "UNAVAILABLE");
    bench.forgetListener();
    const [again] = await bench.pair();
    again.close();
    await within(again.ended, "the end of a link to the new listener");
  });

  promise("refuses whoever is being asked about when it closes", async (bench) => {
    let asked = 0;
    const listener = await bench.listen({
      authenticate: () => {
        asked++;
        return new Promise(() => {});
      },
    });
    const refused = rejects(bench.dial(), "UNAVAILABLE");
    await until(() => asked === 1, "the question to the authenticator");
    await within(listener[Symbol.asyncDispose](), "dispose");
    await refused;
  });

  promise("leaves nothing open", async (bench) => {
    const before = bench.fixture.openHandles?.() ?? 0;
    for (const end of ["close", "abort", "refuse", "give up"] as const) {
      const listener = await bench.listen(end === "refuse" ? { authenticate: async () => null } : {});
      if (end === "refuse") await rejects(bench.dial(), "UNAUTHENTICATED");
      else if (end === "give up") {
        const controller = new AbortController();
        const dialling = bench.dial({ signal: controller.signal });
        controller.abort(new Error("gave up"));
        await dialling.then(
          (link) => link.abort(),
          () => {},
        );
      } else {
        const [dialled, accepted] = await bench.pair();
        for (const link of [dialled, accepted]) for (const n of count(10)) link.send(frame(n, 1_000));
        dialled[end]();
        await within(Promise.all([dialled.ended, accepted.ended]), "the end");
      }
      await within(listener[Symbol.asyncDispose](), "dispose");
      bench.forgetListener();
    }
    await until(() => (bench.fixture.openHandles?.() ?? 0) <= before, "every handle to close");
  });
}
