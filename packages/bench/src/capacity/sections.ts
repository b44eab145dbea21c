import type { Report } from "../report/figures.ts";
import { checksOf } from "./checks.ts";
import { FITTED_QUEUES, type Inputs, inputsOf, type Micros, ROLES } from "./inputs.ts";
import { at, type Line } from "./line.ts";
import {
  ASSUMED,
  type Assumptions,
  type Demand,
  demandOf,
  limitsOf,
  linksBetweenAll,
  queuesFor,
  TOPIC_QUEUES_MAX,
} from "./model.ts";

const RATES = [1_000_000, 100_000_000];
/** As many of a queue as lie together in a busy broker, and none. */
const BATCHES = [100, 1];
const HANDLER_MS = [0.1, 1, 10, 100];

const whole = (value: number): string => Math.round(value).toLocaleString("en");
const short = (value: number): string => (value >= 100 ? whole(value) : String(Number(value.toPrecision(2))));
const inMillions = (rate: number): string => `${whole(rate / 1_000_000)} M/s`;
const inBatches = (batch: number): string => (batch === 1 ? "alone" : `in batches of ${batch}`);
const percent = (share: number): string => `${short(share * 100)} %`;
function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}
const perRole = (text: (role: (typeof ROLES)[number]) => string): string[] => ROLES.map(text);

/**
 * The tables of the page, by the name of the block that each stands in.
 * @throws RangeError when the run had not all rows that the model needs
 */
export function sectionsOf(report: Report): ReadonlyMap<string, string> {
  const inputs = inputsOf(report);
  return new Map([
    ["inputs", inputsTable(inputs, report)],
    ["cost", costTable(inputs)],
    ["assumptions", assumptionsTable(ASSUMED)],
    ["demand", demandTable(inputs)],
    ["limits", limitsTable(inputs)],
    ["queues", queuesTable(inputs)],
    ["links", linksTable(inputs)],
    ["checks", checksTable(inputs, report.load.window)],
  ]);
}
function inputsTable(inputs: Inputs, { rounds, load, node, cores }: Report): string {
  const micros = (of: Micros): string => `${perRole((role) => of[role].toFixed(1)).join(" / ")}`;
  const { windowed, strict } = inputs;
  return [
    `One run; rounds: ${rounds} (medians). ${whole(load.messages)} messages a row after a warm-up of ${load.warmUpPercent} % as many, bodies of ${load.bytes} bytes, ${load.keys} keys over ${load.queues} queues, window of ${whole(load.window)}; Node ${node}, ${cores} cores, all processes on them.`,
    table(
      ["measured", "", "row"],
      [
        ["CPU µs/msg: broker / producer / consumer", micros(windowed.micros), "windowed"],
        ["same, one in flight per queue", micros(strict.micros), "strict"],
        ["bytes on both links per message", whole(windowed.wireBytes), "windowed"],
        ["same, one in flight per queue", whole(strict.wireBytes), "strict"],
        ["bytes to the disk per message, whole sectors", whole(windowed.diskBytes), "windowed"],
        ["same, one in flight per queue", whole(strict.diskBytes), "strict"],
        [
          "store transactions per message, each synced",
          `${inputs.transactionsPerMessage.toPrecision(2)}, so ${short(1 / inputs.transactionsPerMessage)} messages in each`,
          "windowed",
        ],
        [
          "store transactions per second",
          whole(inputs.transactionsPerMessage * windowed.messagesPerSecond),
          "windowed",
        ],
        ["heap of an idle queue with one group", `${whole(inputs.idleQueueBytes)} bytes`, "resources"],
        ["heap of an idle link, at the broker", `${whole(inputs.idleLinkBytes)} bytes`, "resources"],
        ["opening and describing a queue with one group", `${inputs.openQueueMs.toPrecision(2)} ms`, "resources"],
      ],
    ),
  ].join("\n\n");
}
function costTable(inputs: Inputs): string {
  const [few, many] = FITTED_QUEUES.map(whole);
  const line = (what: string, cost: Line, text: (value: number) => string): string[] => [
    what,
    ...[cost.fixed, cost.each, ...BATCHES.map((batch) => at(cost, 1 / batch))].map(text),
  ];
  const micros = (value: number): string => value.toFixed(1);
  return [
    `Fitted through the rows with ${few} and ${many} queues.`,
    table(
      ["", "per message", "per batch", ...BATCHES.map((batch) => `a message ${inBatches(batch)}`)],
      [
        line("broker, CPU µs", inputs.cost.server, micros),
        line("producer, CPU µs", inputs.cost.producer, micros),
        line("consumer, CPU µs", inputs.cost.consumer, micros),
        line("on both links, bytes", inputs.wireBytes, whole),
        line("to the disk, bytes", inputs.diskBytes, whole),
      ],
    ),
  ].join("\n\n");
}
function assumptionsTable(assumed: Assumptions): string {
  return table(
    ["assumed", ""],
    [
      ["cores of a machine", String(assumed.coresPerMachine)],
      ["planned use of anything", percent(assumed.busyMax)],
      ["network of a machine", `${short(assumed.networkBitsPerSecond / 1e9)} Gbit/s`],
      ["its disk", `${short(assumed.diskBytesPerSecond / 1e6)} MB/s written`],
      ["a client's heartbeat", `every ${assumed.heartbeatMs / 1_000} s`],
      ["broker's CPU for renewing one lease", `${assumed.renewalMicros} µs`],
      ["replicas", "none"],
      ["CPU of the handlers themselves", "none"],
    ],
  );
}
function demandTable(inputs: Inputs): string {
  const line = (rate: number, batch: number): string[] => {
    const demand: Demand = demandOf(inputs, ASSUMED, rate, batch);
    return [
      `${inMillions(rate)}, ${inBatches(batch)}`,
      ...perRole((role) => `${whole(demand.processes[role])} on ${whole(demand.machines[role])}`),
      `${short(demand.networkBitsPerSecond / 1e9)} Gbit/s`,
      `${short(demand.diskBytesPerSecond / 1e6)} MB/s`,
    ];
  };
  return table(
    ["", "broker processes on machines", "producers", "consumers", "network of a broker machine", "its disk"],
    RATES.flatMap((rate) => BATCHES.map((batch) => line(rate, batch))),
  );
}
function limitsTable(inputs: Inputs): string {
  const rows = BATCHES.flatMap((batch) =>
    limitsOf(inputs, ASSUMED, batch).map(({ what, messagesPerSecond }, index) => [
      index === 0 ? inBatches(batch) : "",
      what,
      whole(messagesPerSecond),
    ]),
  );
  return table(["messages", "what is full, of a machine of brokers", "at msgs/s"], rows);
}
function queuesTable(inputs: Inputs): string {
  const line = (rate: number, handlerMs: number): string[] => {
    const demand = demandOf(inputs, ASSUMED, rate, 1);
    const brokers = demand.processes.server;
    const linksPerBroker = linksBetweenAll(demand, ASSUMED, rate).perBroker;
    const needed = queuesFor(inputs, ASSUMED, { rate, handlerMs, brokers, linksPerBroker });
    return [
      inMillions(rate),
      `${handlerMs} ms`,
      whole(needed.queues),
      whole(needed.topics),
      whole(needed.queuesPerBroker),
      `${whole(needed.brokerMemoryBytes / 1e6)} MB`,
      percent(needed.renewalShare),
      `${short(needed.openMs)} ms`,
    ];
  };
  return table(
    [
      "rate",
      "handler takes",
      "queues",
      `topics of at most ${whole(TOPIC_QUEUES_MAX)}`,
      "queues of a broker",
      "its memory for queues and links",
      "CPU for renewing leases",
      "opening them at its start",
    ],
    RATES.flatMap((rate) => HANDLER_MS.map((handlerMs) => line(rate, handlerMs))),
  );
}
function linksTable(inputs: Inputs): string {
  const line = (rate: number): string[] => {
    const links = linksBetweenAll(demandOf(inputs, ASSUMED, rate, 1), ASSUMED, rate);
    return [
      inMillions(rate),
      whole(links.perBroker),
      whole(links.perClientProcess),
      whole(links.all),
      short(links.messagesPerSecondOfLink),
      short(links.beatsPerSecondOfBroker),
    ];
  };
  return table(
    [
      "every process uses every broker",
      "links of a broker",
      "clients in a process",
      "links in all",
      "msgs/s on a consumer's link",
      "heartbeats/s at a broker",
    ],
    RATES.map(line),
  );
}
function checksTable(inputs: Inputs, window: number): string {
  return table(
    ["", "", "model", "measured", "model / measured"],
    checksOf(inputs, window).map(({ what, unit, predicted, measured }) => [
      what,
      unit,
      short(predicted),
      short(measured),
      (predicted / measured).toFixed(2),
    ]),
  );
}
