import { expect, test } from 'vitest';
import { ago, count, credits, moment, parseCredits, share } from './format';

test('credits are grouped, and no limit is said in words', () => {
  expect(credits(9_007_199_254_740_991)).toBe('9,007,199,254,740,991');
  expect(credits(0)).toBe('0');
  expect(credits(null)).toBe('No limit');
});

test('amounts may be typed with separators', () => {
  expect(['1,000', '1 000', '1_000', '1000'].map(parseCredits)).toEqual([1000, 1000, 1000, 1000]);
});

test('what is no whole amount from 1 to 2^53 − 1 is none', () => {
  expect(['', '0', '-1', '1.5', '1e3', 'NaN', '0x10', '9007199254740992', '99999999999999999'].map(parseCredits)).toEqual(Array(9).fill(null));
  expect(parseCredits('9007199254740991')).toBe(9_007_199_254_740_991);
});

test('times are told from now', () => {
  const now = Date.parse('2026-11-27T12:00:00Z');
  expect(ago('2026-11-27T11:57:00Z', now)).toBe('3 min. ago');
  expect(ago('2026-12-02T12:00:00Z', now)).toBe('in 5 days');
  expect(ago('2026-11-27T12:00:01Z', now)).toBe('just now');
});

test('a moment is told in the zone that is asked for, by its name', () => {
  expect(moment('2026-11-27T23:30:00Z', 'Asia/Tokyo')).toBe('28 Nov 2026, 08:30:00 GMT+9');
  expect(moment('2026-11-27T23:30:00Z', 'UTC')).toBe('27 Nov 2026, 23:30:00 UTC');
  expect(moment('2026-11-27T23:30:00Z', 'Unheard/Of')).toBe(moment('2026-11-27T23:30:00Z'));
});

test('one is not many, and nothing has no share', () => {
  expect([count(1, 'child', 'children'), count(2, 'child', 'children')]).toEqual(['1 child', '2 children']);
  expect([share(1, 4), share(1, 0)]).toEqual(['25%', '0%']);
});
