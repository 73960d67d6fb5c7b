/** Colours tell series apart; the last one is for everything that has none of its own. */
const COUNT = 8;

export function seriesColor(at: number): string {
  return `var(--series-${Math.min(at, COUNT - 1) + 1})`;
}
