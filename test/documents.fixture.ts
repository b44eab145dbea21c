import { readdirSync, readFileSync } from "node:fs";
import { inRepository } from "./program.fixture.ts";

/** One module that the `ts` blocks of a document make. */
export interface DocumentModule {
  /** `main.ts`, or what the block's `// file:` line says. */
  readonly name: string;
  /** The blocks at the lines where they stand in the document, so that an error's line is the document's. */
  readonly text: string;
  /** Whether the document says `no-run` of it. */
  readonly runs: boolean;
}
export interface Document {
  /** From the repository's root. */
  readonly path: string;
  readonly modules: readonly DocumentModule[];
  /** Its `ts` blocks, as they stand there. */
  readonly blocks: readonly string[];
}

/** The documents whose examples are held to be true. */
export function documents(): readonly Document[] {
  const guides = readdirSync(inRepository("docs"), { withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".md"))
    .map(({ name }) => `docs/${name}`);
  const packages = readdirSync(inRepository("packages")).map((name) => `packages/${name}/README.md`);
  return ["README.md", ...guides, ...packages].flatMap((path) => {
    const text = textOf(path);
    return text === undefined ? [] : [read(path, text)];
  });
}
function textOf(path: string): string | undefined {
  try {
    return readFileSync(inRepository(path), "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

function read(path: string, text: string): Document {
  const lines = text.split("\n");
  const modules = new Map<string, { readonly lines: string[]; runs: boolean }>();
  const blocks: string[] = [];
  for (let at = 0; at < lines.length; at++) {
    const fence = /^```(\w*)(.*)$/.exec(lines[at] ?? "");
    if (fence === null) continue;
    const end = lines.indexOf("```", at + 1);
    if (end < 0) throw new Error(`${path}:${at + 1}: this block does not end`);
    if (fence[1] === "ts") {
      const block = lines.slice(at + 1, end);
      blocks.push(block.join("\n"));
      const name = /^\/\/ file: (\S+\.ts)$/.exec(block[0] ?? "")?.[1] ?? "main.ts";
      const module = modules.get(name) ?? { lines: lines.map(() => ""), runs: true };
      modules.set(name, module);
      for (const [index, line] of block.entries()) module.lines[at + 1 + index] = line;
      const words = (fence[2] ?? "").split(" ").filter((word) => word !== "");
      if (words.some((word) => word !== "no-run"))
        throw new Error(`${path}:${at + 1}: only "no-run" may stand after ts`);
      if (words.includes("no-run")) {
        if (name === "main.ts")
          throw new Error(`${path}:${at + 1}: only a block with a "// file:" of its own may be "no-run"`);
        module.runs = false;
      }
    }
    at = end;
  }
  return {
    path,
    blocks,
    modules: [...modules].map(([name, { lines, runs }]) => ({ name, runs, text: `${lines.join("\n").trimEnd()}\n` })),
  };
}

/** The rows below a table's head, cell by cell. */
export function tableOf(path: string, head: string): readonly (readonly string[])[] {
  const lines = (textOf(path) ?? "").split("\n");
  const at = lines.findIndex((line) => line.startsWith(`| ${head} |`));
  if (at < 0) throw new Error(`${path}: there is no table with the head "${head}"`);
  const end = lines.findIndex((line, index) => index > at && !line.startsWith("|"));
  return lines.slice(at + 2, end).map((line) => line.slice(2, -2).split(" | "));
}
/** What stands in backquotes in a cell. */
export const quoted = (cell = ""): readonly string[] => [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name ?? "");
