// Answers of the authenticator, callers that give up, and a listener that closes, in any order, over real sockets.
import type { IncomingLink, Principal } from "@seriatim/actors/client";
import fc from "fast-check";
import { expect, it } from "vitest";
import { dialOptions, errorOf, openSockets, transportOf, until } from "./ws.fixture.ts";

const caller = fc.record({ answer: fc.constantFrom("yes", "no", "throws"), givesUp: fc.boolean() });

it("admits or refuses each caller once, and leaves no socket, whatever comes first", async () => {
  const before = openSockets();
  await fc.assert(
    fc.asyncProperty(
      fc.scheduler(),
      fc.array(caller, { minLength: 1, maxLength: 4 }),
      fc.boolean(),
      async (s, callers, closes) => {
        const asked: AbortSignal[] = [];
        const accepted: IncomingLink[] = [];
        const transport = transportOf({ port: 0 });
        const listener = await transport.listen?.({
          authenticate: async (token, signal): Promise<Principal | null> => {
            asked.push(signal);
            const { answer } = callers[Number(token)] as (typeof callers)[0];
            await s.schedule(Promise.resolve(), `answer ${token}`);
            if (answer === "throws") throw new Error("no database");
            return answer === "yes" ? { id: token as string } : null;
          },
        });
        if (listener === undefined) throw new Error("no listener");
        listener.links$.subscribe((link) => accepted.push(link));
        const dialler = transportOf({ url: listener.address });
        const dials = callers.map(({ givesUp }, n) => {
          const controller = new AbortController();
          const dialled = dialler.dial(dialOptions({ token: String(n), signal: controller.signal }));
          return {
            controller,
            givesUp,
            outcome: dialled.then(
              (link) => link,
              (error: unknown) => error,
            ),
          };
        });
        await until(() => asked.length === callers.length, "the authenticator to be asked");
        const closings: Promise<void>[] = [];
        if (closes)
          void s.schedule(Promise.resolve(), "close").then(() => closings.push(listener.close({ links: true })));
        for (const [n, { controller, givesUp }] of dials.entries())
          if (givesUp) void s.schedule(Promise.resolve(), `give up ${n}`).then(() => controller.abort("enough"));
        while (s.count() > 0) {
          await s.waitOne();
          await new Promise((resolve) => setImmediate(resolve));
        }
        for (const [n, { outcome, givesUp }] of dials.entries()) {
          const found = (await outcome) as { readonly code?: string; abort?(): void };
          const { answer } = callers[n] as (typeof callers)[0];
          if (typeof found.abort === "function") {
            expect(answer).toBe("yes");
            found.abort();
          } else if (found !== ("enough" as unknown)) {
            const codes = { yes: [], no: ["UNAUTHENTICATED"], throws: ["UNAVAILABLE"] }[answer] as string[];
            expect([...codes, ...(closes ? ["UNAVAILABLE"] : [])]).toContain(found.code);
          } else expect(givesUp).toBe(true);
        }
        await Promise.all(closings);
        await listener.close({ links: true });
        await Promise.all(accepted.map(({ ended }) => ended));
        expect(await errorOf(dialler.dial(dialOptions({ token: "0" })))).toMatchObject({ code: "UNAVAILABLE" });
        expect(accepted.length).toBeLessThanOrEqual(callers.filter(({ answer }) => answer === "yes").length);
        await until(() => openSockets() <= before, "all sockets to be gone");
      },
    ),
    { numRuns: 40 },
  );
});
