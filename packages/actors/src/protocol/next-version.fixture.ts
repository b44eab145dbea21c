// A protocol version as the next one may be, for tests, whatever this one is: some frames have a field more, one of
// them deep inside, one question too, and there is a frame and a question more.
import { binaryCodecOf, LAYOUTS } from "./binary-codec.ts";
import { type Check, finite, list, nullable, record, since, tagged, tagRecords, yesOrNo } from "./checks.ts";
import type { Codec } from "./codec.ts";
import { LIMITS, leaseFields, name, natural, text } from "./field-checks.ts";
import { FrameTables } from "./frame-tables.ts";
import { settled as settledToday } from "./frames/deliveries.ts";
import type { Layout } from "./frames/layout.ts";
import { type Frame, frameFields, type LeaseKey } from "./frames.ts";
import { jsonCodecOf } from "./json-codec.ts";
import { Codecs } from "./pick-codec.ts";
import { QUESTIONS, questionFields } from "./questions.ts";
import { NEWEST_VERSION, PROTOCOL_VERSIONS } from "./version.ts";

/** Its number. */
export const NEXT_VERSION = NEWEST_VERSION + 1;

type Loose = Readonly<Record<string, unknown>>;
const own = (fields: object): Loose => fields as Loose;
const renewed = record<LeaseKey & { readonly ttlMs: number; readonly by?: string }>({
  ...leaseFields,
  ttlMs: finite,
  by: since(NEXT_VERSION, name),
});
const question = tagged(
  "kind",
  tagRecords(
    {
      ...questionFields,
      "describe.topic": { ...own(questionFields["describe.topic"]), deep: since(NEXT_VERSION, yesOrNo) },
      moved: since(NEXT_VERSION, { topic: name }),
    },
    "kind",
  ),
) as Check<never>;
const fields = {
  ...frameFields,
  welcome: { ...own(frameFields.welcome), region: since(NEXT_VERSION, name) },
  "member.join": { ...own(frameFields["member.join"]), label: since(NEXT_VERSION, nullable(text)) },
  // hot, and with a layout that has the new field; `batch.append` has none
  settled: { ...own(frameFields.settled), atMs: since(NEXT_VERSION, finite) },
  "batch.append": { ...own(frameFields["batch.append"]), traced: since(NEXT_VERSION, yesOrNo) },
  "heartbeat.answered": { ...own(frameFields["heartbeat.answered"]), renewed: list(LIMITS.leases, renewed) },
  ask: { request: natural, question },
  "pass.over": since(NEXT_VERSION, { request: natural, to: name }),
};
type NextSettled = Extract<Frame, { readonly type: "settled" }> & { readonly atMs?: number };
const today = settledToday.layout as Layout<NextSettled>;
const settled: Layout<NextSettled> = {
  ...today,
  upTo: NEXT_VERSION,
  write(to, frame, version) {
    today.write(to, frame, version);
    if (version >= NEXT_VERSION) to.float(frame.atMs as number);
  },
  read: (from, version) => ({
    ...today.read(from, version),
    ...(version >= NEXT_VERSION ? { atMs: from.float() } : {}),
  }),
};
const nextTables = FrameTables.of([...PROTOCOL_VERSIONS, NEXT_VERSION], tagRecords(fields, "type"), QUESTIONS);
const binary = binaryCodecOf(nextTables, { ...LAYOUTS, settled: settled as unknown as Layout<Frame> });
const json = jsonCodecOf(nextTables);
/** Both codecs of the next version, which also speak this one, and what this one does. */
export const nextCodecs: readonly Codec[] = [binary, json];

/** What code of the next version fills in. */
export function filledIn(frame: Loose): Loose {
  switch (frame["type"]) {
    case "welcome":
      return { ...frame, region: "north" };
    case "member.join":
      return { ...frame, label: null };
    case "settled":
      return { ...frame, atMs: 0.5 };
    case "batch.append":
      return { ...frame, traced: true };
    case "heartbeat.answered":
      return { ...frame, renewed: (frame["renewed"] as readonly Loose[]).map((lease) => ({ ...lease, by: "b" })) };
    case "ask": {
      const asked = frame["question"] as Loose;
      return asked["kind"] === "describe.topic" ? { ...frame, question: { ...asked, deep: true } } : frame;
    }
    default:
      return frame;
  }
}
/**
 * A codec of the next version in code that fills in what that version has; `packets` counts what it sent, by version.
 */
function inNextCode(codec: Codec, packets: Map<number, number>, version: number): Codec {
  return {
    name: codec.name,
    versions: codec.versions,
    at: (other) => inNextCode(codec.at(other), packets, other),
    encode(frames) {
      packets.set(version, (packets.get(version) ?? 0) + 1);
      return codec.encode(frames.map((frame) => filledIn(frame as unknown as Loose) as unknown as Frame));
    },
    decode: (packet) => codec.decode(packet),
    answerTo: (kind, answer) => codec.answerTo(kind, answer),
    reader: (packet) => codec.reader(packet),
    refusal: (frame) => codec.refusal(frame),
  };
}
/** What a broker or a client of the next version speaks with. */
export function nextSpeaker(): {
  readonly codec: Codec;
  readonly codecs: Codecs;
  readonly packets: ReadonlyMap<number, number>;
} {
  const packets = new Map<number, number>();
  const codec = inNextCode(binary, packets, NEXT_VERSION);
  return { codec, codecs: new Codecs(codec, inNextCode(json, packets, NEXT_VERSION)), packets };
}
