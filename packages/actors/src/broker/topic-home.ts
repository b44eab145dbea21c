import { TopicCounters } from "../log/counters.ts";
import { ProducerNames } from "../log/producer-names.ts";
import { decodeRecord, encodeRecord, storeKeys } from "../log/records.ts";
import type { TopicScope } from "../log/topic-scope.ts";
import { limitExceeded, MessagingError } from "../message/errors.ts";
import { evenRuns, type Route, slotTable } from "../message/route.ts";
import type { TopicSpec } from "../message/topic.ts";
import type { GroupSettings } from "../protocol/frames.ts";
import { Queue } from "../queue/queue.ts";
import { whenStored } from "../store/known-errors.ts";
import type { BrokerScope } from "./broker-scope.ts";
import { Group } from "./group.ts";

interface StoredTopic {
  readonly spec: TopicSpec;
  readonly version: number;
  readonly runs: Route["runs"];
  readonly home: string;
}
/** What a group gets that is named before anybody joined it. */
const DEFAULT_SETTINGS: GroupSettings = { exhausted: "park", attempts: 12, startAt: "earliest" };

/**
 * One topic at this broker: its route, its queues, its groups. The route is fixed when the topic is created, and
 * stored with it (rule 6).
 */
export class TopicHome {
  readonly spec: TopicSpec;
  readonly route: Route;
  readonly queues: readonly Queue[];
  readonly #scope: BrokerScope;
  readonly #groups = new Map<string, Promise<Group>>();
  readonly #opened = new Map<string, Group>();
  /** Groups whose settings were not chosen by a member yet: the first that joins decides. */
  readonly #preset = new Set<string>();

  /**
   * Loads or creates a topic.
   * @throws `TOPIC_MISMATCH` when it is stored with another number of queues, or ordered otherwise; `STORE_DAMAGED`
   */
  static async open(scope: BrokerScope, given: TopicSpec): Promise<TopicHome> {
    const { store } = scope;
    const key = storeKeys.topic(given.name);
    const bytes = await store.get(key);
    const stored = bytes === undefined ? null : decodeRecord<StoredTopic>(key, bytes);
    if (stored !== null && (stored.spec.queues !== given.queues || stored.spec.ordered !== given.ordered))
      throw new MessagingError(
        "TOPIC_MISMATCH",
        `topic "${given.name}" is stored with ${stored.spec.queues} queues, ordered: ${stored.spec.ordered}; found ${given.queues}, ordered: ${given.ordered}. Use another name, or the stored settings`,
        { data: { topic: given.name } },
      );
    const next: StoredTopic = {
      spec: given,
      version: stored?.version ?? 1,
      runs: stored?.runs ?? evenRuns(given.queues),
      home: stored?.home ?? store.id,
    };
    await whenStored(store.writer().commit([{ kind: "put", key, value: encodeRecord(next) }]).synced);
    const home = new TopicHome(scope, next);
    await Promise.all(home.queues.map((queue) => queue.open()));
    for (const { key: groupKey, value } of await store.list(storeKeys.groups(given.name)))
      await home.#openGroup(
        groupKey.slice(storeKeys.groups(given.name).length),
        decodeRecord<GroupSettings>(groupKey, value),
      );
    for (const group of given.groups)
      if (!home.#groups.has(group)) {
        home.#preset.add(group);
        await home.#openGroup(group, DEFAULT_SETTINGS);
      }
    return home;
  }
  private constructor(scope: BrokerScope, stored: StoredTopic) {
    this.#scope = scope;
    this.spec = stored.spec;
    this.route = {
      topic: stored.spec.name,
      version: stored.version,
      ordered: stored.spec.ordered,
      homes: Array.from({ length: stored.spec.queues }, () => stored.home),
      runs: stored.runs,
    };
    const { counters } = scope;
    const topic: TopicScope = {
      ...scope,
      ...scope.limits,
      spec: stored.spec,
      routeVersion: stored.version,
      table: slotTable(this.route),
      counters: counters === null ? null : new TopicCounters(counters, stored.spec.name),
      producerNames: new ProducerNames(stored.spec.name),
    };
    this.queues = Array.from({ length: stored.spec.queues }, (_, queue) => new Queue(topic, queue));
  }

  get messageBytesMax(): number {
    return this.#scope.limits.messageBytesMax;
  }
  get groups(): readonly Group[] {
    return [...this.#opened.values()];
  }
  findGroup(name: string): Group | undefined {
    return this.#opened.get(name);
  }
  /** The group, begun with these settings when it is new (rule 19). @throws `GROUP_SETTINGS_DIFFER` `LIMIT_EXCEEDED` */
  async group(name: string, settings: GroupSettings): Promise<Group> {
    const known = this.#groups.get(name);
    if (known !== undefined && !this.#preset.has(name)) {
      const group = await known;
      const differs = settingThatDiffers(group.settings, settings);
      if (differs !== null)
        throw new MessagingError(
          "GROUP_SETTINGS_DIFFER",
          `group "${name}" of topic "${this.spec.name}" has ${differs} ${JSON.stringify(group.settings[differs])}, a member came with ${JSON.stringify(settings[differs])}: settings belong to the group`,
          { data: { setting: differs, expected: group.settings, found: settings } },
        );
      return group;
    }
    if (known === undefined && this.#groups.size >= GROUPS_MAX)
      throw limitExceeded(
        "groupsMax",
        GROUPS_MAX,
        `topic "${this.spec.name}" has ${GROUPS_MAX} groups`,
        "join one that is there, or spread them over more topics",
      );
    this.#preset.delete(name);
    const opened = this.#begin(name, settings, known);
    this.#groups.set(name, opened);
    opened.catch(() => {
      if (known === undefined) return this.#groups.delete(name);
      this.#groups.set(name, known); // still without settings of its own
      return this.#preset.add(name);
    });
    return await opened;
  }
  /**
   * Persists a new group's settings, then begins its subscriptions; for one named with the topic they are there, only
   * its settings are chosen now.
   */
  async #begin(name: string, settings: GroupSettings, preset: Promise<Group> | undefined): Promise<Group> {
    const key = storeKeys.group(this.spec.name, name);
    await whenStored(this.#scope.store.writer().commit([{ kind: "put", key, value: encodeRecord(settings) }]).synced);
    if (preset === undefined) return await this.#openGroup(name, settings);
    const group = await preset;
    group.settings = settings;
    return group;
  }
  #openGroup(name: string, settings: GroupSettings): Promise<Group> {
    const group = new Group(this.#scope, { spec: this.spec, name, settings, queues: this.queues });
    const opening = group.open().then(
      () => {
        this.#opened.set(name, group);
        return group;
      },
      (error: unknown) => {
        group.close();
        throw error;
      },
    );
    this.#groups.set(name, opening);
    return opening;
  }
  /**
   * The producer's name is the first one's that comes from now on, at every queue; resolves, once that is stored,
   * with whether it was anybody's.
   * @throws `UNAVAILABLE`, or what a commit fails with: asked again, it does the rest
   */
  async releaseProducer(name: string): Promise<boolean> {
    return (await Promise.all(this.queues.map((queue) => queue.releaseProducer(name)))).includes(true);
  }
  async close(): Promise<void> {
    for (const group of this.#opened.values()) group.close();
    await Promise.all(this.queues.map((queue) => queue.close()));
  }
}
/** Groups stay: whoever may begin some must not begin any number. */
const GROUPS_MAX = 1_000;
const settingThatDiffers = (ours: GroupSettings, theirs: GroupSettings): "exhausted" | "attempts" | null => {
  if (ours.exhausted !== theirs.exhausted) return "exhausted";
  if (ours.attempts !== theirs.attempts) return "attempts";
  return null; // `startAt` is of a new group only
};
