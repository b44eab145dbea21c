/** Why a flow stands: as long as any of those who paused it has not let it go on. */
export class Pauses {
  readonly #over: () => void;
  #count = 0;

  /** `over`: the flow goes on, if nobody else has paused it. */
  constructor(over: () => void) {
    this.#over = over;
  }
  get any(): boolean {
    return this.#count > 0;
  }
  /** Stands still until the function returned is called. */
  begin(): () => void {
    let paused = true;
    this.#count++;
    return () => {
      if (!paused) return;
      paused = false;
      this.#count--;
      this.#over();
    };
  }
}
