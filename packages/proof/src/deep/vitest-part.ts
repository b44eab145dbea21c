import type { Needs } from "./allot.ts";
import type { Part } from "./part.ts";

interface Report {
  readonly testResults: readonly {
    readonly name: string;
    readonly message: string;
    readonly status: string;
    readonly assertionResults: readonly { readonly title: string; readonly status: string }[];
  }[];
}

/** A part that is files of the proof project. `env`: how they are told their minutes, if they can use more. */
export function vitestPart(
  row: Omit<Needs, "isFixed"> & Pick<Part, "about" | "files">,
  env: ((minutes: number, hash: string) => Readonly<Record<string, string>>) | null = null,
): Part {
  return {
    ...row,
    isFixed: env === null,
    command: ({ minutes, hash, json }) => ({
      args: [
        "node_modules/vitest/vitest.mjs",
        "run",
        "--project",
        "proof",
        ...row.files,
        "--reporter",
        "default",
        "--reporter",
        "json",
        `--outputFile.json=${json}`,
      ],
      env: { NO_COLOR: "1", ...env?.(minutes, hash) },
    }),
    outcome: (report) => {
      const { testResults } = report as Report;
      const fileOf = (name: string): string => row.files.find((file) => name.endsWith(file)) ?? name;
      const tests = testResults.flatMap(({ name, assertionResults }) =>
        assertionResults.map((test) => ({ ...test, file: fileOf(name) })),
      );
      const passed = tests.filter(({ status }) => status === "passed").length;
      const again = tests
        .filter(({ status }) => status === "failed")
        .map(({ file, title }) => `npx vitest run --project proof ${file} -t ${JSON.stringify(title)}`);
      const unread = testResults
        .filter(({ status, assertionResults }) => status === "failed" && assertionResults.length === 0)
        .map(({ name }) => `npx vitest run --project proof ${fileOf(name)}`);
      return {
        did: `${passed} of ${tests.length} tests`,
        isWhole: passed === tests.length,
        again: [...again, ...unread],
      };
    },
  };
}
