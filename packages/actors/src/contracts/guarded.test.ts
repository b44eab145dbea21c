import { describe, expect, it } from "vitest";
import { assemble } from "../system/assemble.ts";
import { provide, tokens } from "../system/tokens.ts";
import { guardedHistory, guardedLogger } from "./guarded.ts";
import type { HistoryStep } from "./history.ts";
import type { Logger } from "./logger.ts";
import type { Transport } from "./transport.ts";

const fault = (): never => {
  throw new Error("a fault of the user's");
};
describe("a logger of the user's", () => {
  it("that throws, or rejects, harms nobody who logs", async () => {
    guardedLogger({ log: fault }).log("info", "a", {});
    guardedLogger({ log: async () => fault() }).log("info", "a", {});
    await new Promise((resolve) => setImmediate(resolve)); // where a rejection that nobody reads would be told
  });
  it("is guarded for modules, too, whichever was bound last", async () => {
    const heard: string[] = [];
    const logging = (logger: Logger) => provide(tokens.logger, () => logger);
    const transport = provide(tokens.transport, (get): Transport => {
      get(tokens.logger).log("warn", "said by a module", {});
      return { dial: fault };
    });
    const throwing = logging({
      log: (_, text) => {
        heard.push(text);
        fault();
      },
    });
    const { logger } = await assemble([transport, logging({ log: () => heard.push("never") }), throwing]);
    logger.log("warn", "said by us", {});
    expect(heard).toEqual(["said by a module", "said by us"]);
  });
});
it("a history of the user's that throws is told to the logger, once, and hears the next step", () => {
  const logged: string[] = [];
  const heard: string[] = [];
  const record = ({ type }: HistoryStep) => {
    heard.push(type);
    fault();
  };
  const history = guardedHistory({ record }, { log: (level, text) => logged.push(`${level}: ${text}`) });
  for (const type of ["sending", "sent"] as const) history.record({ type } as HistoryStep);
  expect(heard).toEqual(["sending", "sent"]);
  expect(logged).toEqual(['error: history: record("sending") threw; later ones that do are not logged']);
});
