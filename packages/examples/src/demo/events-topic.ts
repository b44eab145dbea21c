import { type TopicBody, topic } from "@seriatim/actors";
import { z } from "zod";
import type { RunSettings } from "./settings.ts";

const event = z.object({
  key: z.string().min(1),
  ordinal: z.number().int().min(0),
  atMs: z.number(),
  fields: z.record(z.string(), z.string()),
});

/** The topic that the log is replayed through, the same object in every process. */
export const eventsTopic = (settings: Pick<RunSettings, "topic" | "queues" | "group">) =>
  topic(settings.topic, { schema: event, key: (body) => body.key, queues: settings.queues, groups: [settings.group] });

export type EventsTopic = ReturnType<typeof eventsTopic>;
export type EventBody = TopicBody<EventsTopic>;
