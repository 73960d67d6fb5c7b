import { formatIn } from '../../lib/format';

export type RangeId = '7d' | '30d' | '90d' | '12m';

export const RANGES: readonly { id: RangeId; name: string }[] = [
  { id: '7d', name: '7 days' },
  { id: '30d', name: '30 days' },
  { id: '90d', name: '90 days' },
  { id: '12m', name: '12 months' },
];

export interface Range {
  from: string;
  interval: 'day' | 'month';
}

/** The last whole days or months up to now, as the report wants them: a date, which begins in the tenant's time zone. */
export function rangeOf(id: RangeId, now: Date, timeZone: string): Range {
  // Counted in dates and not in hours: where clocks change, not every day has 24 of them.
  const first = new Date(`${datesIn(timeZone).format(now)}T00:00:00Z`);
  if (id === '12m') {
    first.setUTCMonth(first.getUTCMonth() - 11, 1);
    return { from: iso(first), interval: 'month' };
  }
  first.setUTCDate(first.getUTCDate() - (Number(id.slice(0, -1)) - 1));
  return { from: iso(first), interval: 'day' };
}

function iso(date: Date): string {
  return date.toISOString().slice(0, 10);
}

/** Says on which date a moment is there: `2026-11-27`. */
function datesIn(timeZone: string): Intl.DateTimeFormat {
  return formatIn(timeZone, 'en-CA', { year: 'numeric', month: '2-digit', day: '2-digit' });
}

/**
 * The names of all days or months of a report's range in its time zone, as its lines call them: lines to which nothing
 * belongs are left out of a report, but not out of a picture.
 */
export function periodsOf(report: { from: string; to: string; time_zone: string }, interval: 'day' | 'month'): string[] {
  const format = datesIn(report.time_zone);
  const first = format.format(new Date(report.from));
  const last = format.format(new Date(new Date(report.to).getTime() - 1));
  const periods: string[] = [];
  const day = new Date(`${first}T00:00:00Z`);
  if (interval === 'month') day.setUTCDate(1);
  while (iso(day) <= last) {
    periods.push(interval === 'month' ? iso(day).slice(0, 7) : iso(day));
    if (interval === 'month') day.setUTCMonth(day.getUTCMonth() + 1);
    else day.setUTCDate(day.getUTCDate() + 1);
  }
  return periods;
}

const dayName = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', timeZone: 'UTC' });
const monthName = new Intl.DateTimeFormat('en-GB', { month: 'short', year: '2-digit', timeZone: 'UTC' });

export function periodName(period: string): string {
  return period.length === 7 ? monthName.format(new Date(`${period}-01T00:00:00Z`)) : dayName.format(new Date(`${period}T00:00:00Z`));
}
