// What would be published, installed into an empty project outside the repository, type-checks there and runs in Node and in Deno.
import { mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { inRepository, run, runDeno, runNode, tsc } from "./program.fixture.ts";

interface Manifest {
  readonly name: string;
  readonly private?: boolean;
  readonly devDependencies?: Readonly<Record<string, string>>;
}
interface Packed {
  readonly name: string;
  readonly filename: string;
  readonly files: readonly { readonly path: string }[];
}
const manifestOf = (path: string): Manifest => JSON.parse(readFileSync(inRepository(path), "utf8"));
const publishable = readdirSync(inRepository("packages"))
  .map((name) => `packages/${name}`)
  .filter((folder) => manifestOf(`${folder}/package.json`).private !== true);
const zod = `zod@${manifestOf("package.json").devDependencies?.["zod"]}`;

let project = "";
let packed: readonly Packed[] = [];
const npm = async (args: readonly string[], cwd: string): Promise<string> => {
  const { status, stdout, stderr } = await run("npm", args, { cwd });
  expect(status, stderr).toBe(0);
  return stdout;
};

beforeAll(async () => {
  project = realpathSync(mkdtempSync(join(tmpdir(), "seriatim-packages-")));
  const folders = publishable.map((folder) => inRepository(folder));
  packed = JSON.parse(await npm(["pack", "--json", "--pack-destination", project, ...folders], project));
  writeFileSync(join(project, "package.json"), JSON.stringify({ type: "module", private: true }));
  const tarballs = packed.map(({ filename }) => `./${filename}`);
  await npm(["install", "--prefer-offline", "--no-audit", "--no-fund", "--no-package-lock", ...tarballs, zod], project);
  const quickStart = readFileSync(inRepository("packages/examples/src/quick-start.ts"), "utf8");
  writeFileSync(join(project, "quick-start.ts"), quickStart);
});
afterAll(() => rmSync(project, { recursive: true, force: true }));

describe("the packages, packed and installed elsewhere,", () => {
  const moves = "g1 e4 attempt 1\ng1 e5 attempt 1\ng1 Nf3 attempt 1\n";

  it("are all that is not private", () => {
    expect(packed.map(({ name }) => name).sort()).toEqual(
      publishable.map((folder) => manifestOf(`${folder}/package.json`).name).sort(),
    );
  });
  it("hold what was built, its sources and its licence, and no tests or plans of runs", () => {
    for (const { name, files } of packed) {
      const paths = files.map(({ path }) => path);
      expect(paths, name).toEqual(expect.arrayContaining(["LICENSE", "README.md", "dist/index.js", "dist/index.d.ts"]));
      expect(
        paths.filter((path) => /\.(test|fixture|bench)\.|tsbuildinfo|regressions/.test(path)),
        name,
      ).toEqual([]);
    }
  });
  it("type-check and run the quick start in Node", async () => {
    const options = ["--target", "es2023", "--module", "nodenext", "--strict", "--lib", "es2023,esnext.disposable,dom"];
    const checked = await run(process.execPath, [tsc, ...options, "--types", "", "--outDir", "out", "quick-start.ts"], {
      cwd: project,
    });
    expect(checked.stdout).toBe("");
    expect(checked.status).toBe(0);
    const { status, stdout, stderr } = await runNode(join(project, "out/quick-start.js"), project);
    expect(stderr).toBe("");
    expect(stdout).toBe(moves);
    expect(status).toBe(0);
  });
  it("run the quick start in Deno, as it was written", async () => {
    const { status, stdout, stderr } = await runDeno(join(project, "quick-start.ts"), project);
    expect(stdout, stderr).toBe(moves);
    expect(status).toBe(0);
  });
  it("open every door in Node", async () => {
    writeFileSync(join(project, "doors.js"), doors());
    const { status, stdout, stderr } = await runNode(join(project, "doors.js"), project);
    expect(stderr).toBe("");
    expect(stdout).toBe("open\n");
    expect(status).toBe(0);
  });
});

/** Imports whatever the packages export. */
function doors(): string {
  const specifiers = publishable.flatMap((folder) => {
    const { name, exports } = manifestOf(`${folder}/package.json`) as Manifest & { readonly exports: object };
    const paths = Object.keys(exports).filter((path) => path !== "./package.json");
    return paths.map((path) => `${name}${path.slice(1)}`);
  });
  const imports = specifiers.map((specifier) => `import ${JSON.stringify(specifier)};`);
  return [...imports, 'console.log("open");', ""].join("\n");
}
