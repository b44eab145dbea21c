import { expect, it } from "vitest";
import { createActor } from "xstate";
import { MessagingError } from "../message/errors.ts";
import { simulatedRuntime } from "../runtime/simulated-runtime.ts";
import { sessionMachine } from "./session.machine.ts";

function session() {
  const runtime = simulatedRuntime({ seed: 1 });
  const actor = createActor(sessionMachine, { clock: runtime });
  const decided: unknown[] = [];
  actor.on("session.opened", () => decided.push("opened"));
  actor.on("session.closing", ({ error, code }) => decided.push([error?.code ?? null, code]));
  actor.on("session.abandoned", () => decided.push("abandoned"));
  actor.start();
  return { runtime, actor, decided, state: () => actor.getSnapshot().value };
}
const close = (code: "normal" | "violation" | "internal") =>
  ({ type: "session.close", error: code === "normal" ? null : new MessagingError("CLOSED", code), code }) as const;

it("ends a link whose hello does not come in time, and no other", async () => {
  const [late, welcome] = [session(), session()];
  welcome.actor.send({ type: "hello.accepted" });
  for (const { runtime } of [late, welcome]) await runtime.advance(5_000);
  expect([late.state(), late.decided]).toEqual(["closing", [["PROTOCOL_VIOLATION", "violation"]]]);
  expect([welcome.state(), welcome.decided]).toEqual(["open", ["opened"]]);
});

it("says goodbye once: the first word counts, and none is said to nobody", () => {
  const { actor, decided, state } = session();
  actor.send({ type: "hello.accepted" });
  actor.send(close("normal"));
  actor.send(close("internal"));
  actor.send({ type: "session.abandon" });
  actor.send({ type: "hello.accepted" });
  expect([state(), decided]).toEqual(["closing", ["opened", [null, "normal"]]]);
  const silent = session();
  silent.actor.send({ type: "session.abandon" });
  silent.actor.send(close("violation"));
  expect([silent.state(), silent.decided]).toEqual(["closing", ["abandoned"]]);
});

it("is over with its link", () => {
  const { actor, decided, state } = session();
  actor.send({ type: "link.ended" });
  expect([state(), decided, actor.getSnapshot().status]).toEqual(["ended", [], "done"]);
});
