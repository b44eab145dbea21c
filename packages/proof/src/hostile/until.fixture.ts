/** So long nothing takes, on the busiest machine: the test fails, and says what it waited for. */
const HANGS_MS = 300_000;
const LOOK_MS = 20;

/** Waits until it is so. @param tellWhen is given what looks at once, for whoever knows when to look */
export async function until(
  is: () => boolean,
  what: string,
  tellWhen: (look: () => void) => void = () => {},
): Promise<void> {
  const deadline = performance.now() + HANGS_MS;
  while (!is()) {
    if (performance.now() > deadline) throw new Error(`waited ${HANGS_MS} ms for ${what}`);
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, LOOK_MS);
      tellWhen(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }
}
