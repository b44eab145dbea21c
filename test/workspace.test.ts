import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly private?: boolean;
  readonly dependencies?: Readonly<Record<string, string>>;
}

const root = new URL("../", import.meta.url);
const read = (path: string): string => readFileSync(new URL(path, root), "utf8");
const folders = readdirSync(new URL("packages/", root)).map((name) => `packages/${name}/`);
const manifests = new Map(folders.map((folder) => [folder, JSON.parse(read(`${folder}package.json`)) as Manifest]));
const versions = new Map([...manifests.values()].map(({ name, version }) => [name, version]));

describe("the workspace", () => {
  it("records no download addresses in the lockfile", () => {
    expect(read("package-lock.json")).not.toMatch(/"resolved": "http/);
  });

  it.each([...manifests])("%s depends on its neighbours by their exact version", (_folder, { dependencies = {} }) => {
    const neighbours = Object.entries(dependencies).filter(([name]) => name.startsWith("@seriatim/"));
    expect(neighbours).toEqual(neighbours.map(([name]) => [name, versions.get(name)]));
  });

  const published = [...manifests].filter(([, manifest]) => manifest.private !== true).map(([folder]) => folder);
  it.each(published)("%s carries the license it is published under", (folder) => {
    expect(read(`${folder}LICENSE`)).toBe(read("LICENSE"));
  });
});
