import { inspect } from "node:util";
import { batchAppend, laneOpen, memberJoin, packedMessage } from "@seriatim/rig";
import { expect } from "vitest";
import type { HostileCase } from "../hostile-case.fixture.ts";
import { many } from "../hostile-case.fixture.ts";

const may = [{}];
const topics = [{ name: "jobs" }];
const OF = { topic: "jobs", group: "g" };
/** What nobody but the log may have. */
const SECRET = "swordfish";
function leaks(): never {
  throw new Error(`connect ECONNREFUSED postgres://app:${SECRET}@db.internal:5432/prod`);
}
const FAILURES = 600;
const UNSHOWN = /[\p{Cc}\p{Cf}]/u;

export const cases: readonly HostileCase[] = [
  {
    name: "what an authorizer throws is told to nobody: each refusal has a reference and no word of it",
    may,
    topics,
    access: (usual) => ({
      ...usual,
      authorize: (principal, right) => (principal.id === "mallory" ? leaks() : usual.authorize(principal, right)),
    }),
    mayLog: /the authorizer threw/,
    attack: async (target) => {
      const attacker = await target.attacker();
      const asked = [
        laneOpen("jobs"),
        memberJoin("jobs", "g"),
        { type: "ask", question: { kind: "declare", spec: await specOf(await target.attacker("owner"), "jobs") } },
      ];
      for (const frame of asked) {
        const { error } = (await attacker.ask(frame)) as { readonly error?: { readonly data: object } };
        expect(error).toMatchObject({ code: "UNAVAILABLE", data: { reference: expect.any(String) } });
      }
      expect(JSON.stringify([attacker.heard, target.logged])).not.toContain(SECRET);
      expect(attacker.end).toBeNull();
    },
  },
  {
    name: "what an authenticator throws is told to nobody who dials",
    may,
    topics,
    access: (usual) => ({
      ...usual,
      authenticate: async (token, signal) => (token === "mallory" ? leaks() : usual.authenticate(token, signal)),
    }),
    mayLog: /the authenticator failed/,
    attack: async (target) => {
      const refused: unknown = await target.dial().catch((error: unknown) => error);
      expect(refused).toMatchObject({
        code: "UNAVAILABLE",
        message: expect.stringMatching(/the token could not be checked .* under reference "/),
      });
      expect(inspect([refused, target.logged], { depth: 9, showHidden: true })).not.toContain(SECRET);
    },
  },
  {
    name: "failures with the longest texts there may be are kept cut, and all that is set aside can be listed",
    may,
    topics,
    attack: async (target) => {
      const attacker = await target.attacker();
      const { epoch } = await attacker.ask(laneOpen("jobs"));
      const messages = Buffer.concat(many(FAILURES, () => packedMessage()));
      attacker.say(batchAppend(epoch, 0, { count: FAILURES, messages: new Uint8Array(messages) }));
      await attacker.ask(memberJoin("jobs", "g"));
      const { epoch: granted } = await attacker.ask({ type: "lease.acquire", member: 1, queue: 0, resume: null });
      const lease = { member: 1, queue: 0, epoch: granted };
      attacker.say({ type: "credit", ...lease, messages: FAILURES, bytes: 1e9 });
      await attacker.until(() => attacker.count("deliver") > 0, "what is delivered");
      const error = { name: "Error", message: "\u0001".repeat(60_000), code: null };
      const put = { type: "aside.put", ...lease, kind: "dead-letter", key: null, redriven: null, attempts: 1, error };
      for (let offset = 0; offset < FAILURES; offset++)
        expect(await attacker.outcome({ ...put, offset })).toBe("aside.done");
      let listed = 0;
      let bytes = 0;
      for (let after: string | null = null; ; ) {
        const heard = await attacker.question({ kind: "aside.list", ...OF, after, limit: 1_000 });
        expect(heard.type).toBe("answer");
        const page = heard["answer"] as { readonly entries: readonly Listed[]; readonly next: string | null };
        listed += page.entries.length;
        for (const entry of page.entries) bytes += entry.error.message.length;
        if (page.next === null) break;
        after = page.next;
      }
      expect(listed).toBe(FAILURES);
      expect(bytes).toBeLessThan(4 * 1024 * 1024 + FAILURES * 128);
    },
  },
  {
    name: "control characters in what a client is called, and asks for, forge no text of an error and no line of the log",
    may,
    topics,
    attack: async (target) => {
      const ugly = "\u001b[2J\u001b[31m\r\nerror: all is lost\u202e";
      const stranger = await target.dial();
      stranger.say({ type: "hello", versions: [999], instance: "i", link: 1, client: ugly, ordinal: null });
      await stranger.ended();
      const attacker = await target.attacker("mallory", { client: ugly });
      const entry = `0:1:${ugly}`;
      const texts = [stranger.heard.at(-1)?.["error"].message as string];
      for (const frame of [
        { type: "topic.find", topic: ugly },
        laneOpen("jobs", { producer: ugly }),
        memberJoin("jobs", ugly),
        { type: "ask", question: { kind: "describe.group", topic: "jobs", group: ugly } },
        { type: "ask", question: { kind: "aside.peek", ...OF, key: ugly, limit: 1 } },
        { type: "ask", question: { kind: "aside.skip", ...OF, entry, reason: ugly } },
      ])
        texts.push((await attacker.ask(frame))["error"].message as string);
      for (const text of [...texts, ...target.logged]) expect(text).not.toMatch(UNSHOWN);
      expect(texts.filter((text) => text.includes("\\u001b[2J"))).not.toHaveLength(0);
    },
  },
];
interface Listed {
  readonly error: { readonly message: string };
}
async function specOf(owner: { ask(frame: object): Promise<Record<string, unknown>> }, topic: string): Promise<object> {
  return (await owner.ask({ type: "topic.find", topic }))["spec"] as object;
}
