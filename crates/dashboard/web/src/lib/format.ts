/** Credits are whole and at most 2^53 − 1. */
const MAX_CREDITS = Number.MAX_SAFE_INTEGER;

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });
const percent = new Intl.NumberFormat('en', { style: 'percent', maximumFractionDigits: 0 });
const day = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', year: 'numeric' });
const monthAndYear = new Intl.DateTimeFormat('en-GB', { month: 'long', year: 'numeric', timeZone: 'UTC' });
const SECOND = {
  day: 'numeric', month: 'short', year: 'numeric', hour: '2-digit', minute: '2-digit', second: '2-digit', timeZoneName: 'short',
} as const;
const second = new Intl.DateTimeFormat('en-GB', SECOND);
const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto', style: 'short' });

/** `1,234`; `null` is no limit. */
export function credits(value: number | null | undefined): string {
  return value === null || value === undefined ? 'No limit' : whole.format(value);
}

/** `1.2K`, for axes. */
export function shortCredits(value: number): string {
  return compact.format(value);
}

/** In full as long as it is short; where it is not, the full amount belongs beside it as a title. */
export function brief(value: number): string {
  return value < 10_000_000 ? whole.format(value) : compact.format(value);
}

export function share(part: number, of: number): string {
  return of === 0 ? '0%' : percent.format(part / of);
}

/** What somebody typed as an amount: digits with blanks, commas or underscores between them; `null` for anything else. */
export function parseCredits(text: string): number | null {
  const digits = text.replace(/[\s,_]/g, '');
  if (!/^\d{1,16}$/.test(digits)) return null;
  const value = Number(digits);
  return value >= 1 && value <= MAX_CREDITS ? value : null;
}

export function date(iso: string): string {
  return day.format(new Date(iso));
}

/** `October 2026`, of `2026-10`. */
export function monthName(month: string): string {
  return monthAndYear.format(new Date(`${month}-01T00:00:00Z`));
}

/** An exact amount of money, as a decimal number in text, rounded as its currency has it. */
export function money(amount: string, currency: string): string {
  // The number stays text: it may have more digits than a floating-point number.
  return new Intl.NumberFormat('en', { style: 'currency', currency }).format(amount as Intl.StringNumericLiteral);
}

/** In the reader's time zone, or in another one that the browser knows; either way it is named. */
export function moment(iso: string, timeZone?: string): string {
  return (timeZone === undefined ? second : formatIn(timeZone, 'en-GB', SECOND)).format(new Date(iso));
}

/** A format of a time zone's; of the reader's where the browser does not know that one, as the server may. */
export function formatIn(timeZone: string, locale: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  try {
    return new Intl.DateTimeFormat(locale, { ...options, timeZone });
  } catch {
    return new Intl.DateTimeFormat(locale, options);
  }
}

const STEPS: [Intl.RelativeTimeFormatUnit, number][] = [
  ['year', 31_557_600], ['month', 2_629_800], ['week', 604_800], ['day', 86_400], ['hour', 3_600], ['minute', 60],
];

/** `3 hr. ago`, `in 5 days`. */
export function ago(iso: string, now: number): string {
  const seconds = (new Date(iso).getTime() - now) / 1000;
  for (const [unit, length] of STEPS) {
    if (Math.abs(seconds) >= length) return relative.format(Math.trunc(seconds / length), unit);
  }
  return seconds > 5 ? 'in a moment' : 'just now';
}

/** `1 child`, `3 children`. */
export function count(value: number, one: string, many = `${one}s`): string {
  return `${whole.format(value)} ${value === 1 ? one : many}`;
}
