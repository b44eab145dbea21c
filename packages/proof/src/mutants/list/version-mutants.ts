import type { Mutant } from "../mutant.ts";

const of = (file: string, title: string) => ({ file: `packages/actors/src/${file}`, title });

/** What two sides of different versions say to each other, and what they make of what a newer one wrote. */
export const VERSION_MUTANTS: readonly Mutant[] = [
  {
    name: "later-fields-sent",
    breaks: "a peer of an older version is sent fields, frames and questions that it does not have",
    promises: ["P11"],
    file: "protocol/binary-codec.ts",
    find: "const frame = trim === null ? whole : trim(whole);",
    replace: "const frame = trim === null ? whole : whole;",
    test: of(
      "protocol/versions.test.ts",
      "writes to a peer of this version the same bytes as this version does, and reads what that one writes",
    ),
  },
  {
    name: "later-fields-taken",
    breaks: "what came later is taken from a link of an older version",
    promises: ["P11"],
    file: "broker/session.ts",
    find: "this.#codecs = codecs.at(version);",
    replace: "",
    test: of(
      "broker/session-versions.test.ts",
      "ends a link of this version that sends what came later, in either codec",
    ),
  },
  {
    name: "newer-record-damaged",
    breaks: "a record of a newer encoding is taken for damage",
    promises: ["P11"],
    file: "log/records.ts",
    find: "if (bytes[0] === LATER) throw",
    replace: "if (bytes.length < 0) throw",
    test: of("log/records.test.ts", "of a newer encoding says so; one that is none is damage"),
  },
];
