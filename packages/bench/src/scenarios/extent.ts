/** How large a run is. */
export interface Extent {
  /** Messages of a row that says nothing else. */
  readonly messages: number;
  /** Length of rows with a steady rate, s. */
  readonly seconds: number;
  /** The most queues, keys or stored messages of rows that are about how many there are. */
  readonly most: number;
  /** Size of the backlog beside which the broker's memory is watched. */
  readonly backlogBytes: number;
}
/** Those of the sizes that are wanted; the first at least. */
export const sizesUpTo = (most: number, sizes: readonly number[]): readonly number[] =>
  sizes.filter((size, index) => index === 0 || size <= most);
export const count = (value: number): string => value.toLocaleString("en");
