import type { Forecast, ForecastReason } from '../../api/schema';

export interface Point {
  at: number;
  remaining: number;
}

export interface Burn {
  /** What remained at the end of each day, up to now. */
  past: Point[];
  /** Straight lines from now to where the budget runs out; absent where no forecast can be made. */
  early?: Point[];
  expected?: Point[];
  late?: Point[];
}

/** Goes back from what remains now, day by day, and forward to when it runs out. */
export function burnOf(forecast: Forecast, remaining: number): Burn {
  const now = new Date(forecast.as_of).getTime();
  const days = forecast.days.map((day) => ({ end: new Date(`${day.date}T00:00:00Z`).getTime() + 86_400_000, spent: day.spent_credits }));
  const past: Point[] = [{ at: now, remaining }];
  let left = remaining;
  for (const day of days.toReversed()) {
    if (day.end <= now) past.unshift({ at: day.end, remaining: left });
    left += day.spent;
  }
  const first = days[0];
  if (first) past.unshift({ at: first.end - 86_400_000, remaining: left });
  const line = (until: string): Point[] => [{ at: now, remaining }, { at: new Date(until).getTime(), remaining: 0 }];
  const out = forecast.run_out;
  if (!out) return { past };
  return { past, early: line(out.early), expected: line(out.expected), ...(out.late ? { late: line(out.late) } : {}) };
}

const REASONS: Record<ForecastReason, string> = {
  unlimited: 'It has no budget that could run out.',
  not_live: 'It is not live, so nothing will be spent.',
  exhausted: 'Nothing is left.',
  too_little_history: 'There is too little history for a forecast.',
  no_spend: 'Nothing was spent in the last weeks, so it does not run out.',
  not_foreseeable: 'At the present rate it lasts for more than a century.',
};

export function reasonOf(reason: Forecast['reason']): string {
  return reason ? REASONS[reason] : '';
}
