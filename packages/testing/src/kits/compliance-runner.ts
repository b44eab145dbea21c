/** What the kit needs of a test runner; vitest, node:test, mocha and Deno's bdd fit. */
export interface ComplianceRunner {
  describe(name: string, define: () => void): void;
  it(name: string, test: () => Promise<void>): void;
}
