const { cpuUsage } = (
  globalThis as unknown as { process: { cpuUsage(): { readonly user: number; readonly system: number } } }
).process;

/**
 * Time of a processor that this process has used, ms: whoever
 * else uses it, and how long that takes, makes no difference.
 */
export const cpuTime = (): number => {
  const { user, system } = cpuUsage();
  return (user + system) / 1_000;
};
