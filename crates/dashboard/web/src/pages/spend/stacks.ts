import type { SpendReportLine } from '../../api/schema';
import type { Bucket } from '../../parts/charts/StackedBars';
import { periodName } from './ranges';

/** More series than colours tell nothing: the smallest are put together. */
const MOST = 7;

export const UNALLOCATED = 'Without a cost centre';
const OTHERS = 'Others';

/** The lines of a report as stacks: the largest cost centre first, at the bottom. */
export function stacksOf(lines: SpendReportLine[], periods: string[]): { series: string[]; buckets: Bucket[] } {
  const totals = new Map<string, number>();
  for (const line of lines) totals.set(nameOf(line), (totals.get(nameOf(line)) ?? 0) + line.spent_credits);
  const ordered = [...totals].sort(([, a], [, b]) => b - a).map(([name]) => name);
  const series = ordered.length <= MOST + 1 ? ordered : [...ordered.slice(0, MOST), OTHERS];
  const place = new Map(ordered.map((name, at) => [name, Math.min(at, series.length - 1)]));
  const values = new Map(periods.map((period) => [period, series.map(() => 0)]));
  for (const line of lines) {
    const bucket = values.get(line.period ?? '');
    const at = place.get(nameOf(line));
    if (bucket && at !== undefined) bucket[at] = (bucket[at] ?? 0) + line.spent_credits;
  }
  return { series, buckets: [...values].map(([key, amounts]) => ({ key, label: periodName(key), values: amounts })) };
}

export function nameOf(line: { cost_center?: string | null }): string {
  return line.cost_center ?? UNALLOCATED;
}
