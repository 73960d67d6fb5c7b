import { expect, test } from 'vitest';
import type { DelegationTree, SpendReportLine } from '../../api/schema';
import { plotOf, rowsOf } from './allocation';
import { periodsOf, rangeOf } from './ranges';
import { stacksOf, UNALLOCATED } from './stacks';

test('every day of a range has a name in its time zone, those without spending too', () => {
  const report = { from: '2026-10-23T22:00:00Z', to: '2026-10-26T12:00:00Z', time_zone: 'Europe/Berlin' };
  expect(periodsOf(report, 'day')).toEqual(['2026-10-24', '2026-10-25', '2026-10-26']);
  expect(periodsOf({ ...report, from: '2025-12-01T00:00:00Z', to: '2026-02-01T00:00:00Z', time_zone: 'UTC' }, 'month')).toEqual(['2025-12', '2026-01']);
});

test('a time zone that the browser does not know leaves the picture in the reader\'s', () => {
  const report = { from: '2026-10-24T12:00:00Z', to: '2026-10-26T12:00:00Z', time_zone: 'Unheard/Of' };
  expect(periodsOf(report, 'day')).toHaveLength(3);
});

test('ranges end now and begin with whole days or months', () => {
  const now = new Date('2026-11-27T12:00:00Z');
  expect([rangeOf('7d', now, 'UTC'), rangeOf('12m', now, 'UTC')]).toEqual([{ from: '2026-11-21', interval: 'day' }, { from: '2025-12-01', interval: 'month' }]);
});

test('ranges are counted from the date that it is in the tenant\'s time zone', () => {
  const evening = new Date('2026-11-30T23:30:00Z');
  const from = (id: '7d' | '12m', zone: string) => rangeOf(id, evening, zone).from;
  expect([from('7d', 'UTC'), from('7d', 'Asia/Tokyo'), from('7d', 'America/Los_Angeles')]).toEqual(['2026-11-24', '2026-11-25', '2026-11-24']);
  expect([from('12m', 'UTC'), from('12m', 'Asia/Tokyo')]).toEqual(['2025-12-01', '2026-01-01']);
  const morning = new Date('2026-12-01T02:00:00Z');
  expect(rangeOf('12m', morning, 'America/Los_Angeles').from).toBe('2025-12-01');
});

test('a range has as many days where the clocks change within it', () => {
  expect(rangeOf('7d', new Date('2026-04-01T22:30:00Z'), 'Europe/Berlin').from).toBe('2026-03-27');
  expect(rangeOf('7d', new Date('2026-10-27T22:30:00Z'), 'Europe/Berlin').from).toBe('2026-10-21');
});

const line = (period: string, centre: string | null, spent: number) => ({ period, cost_center: centre, spent_credits: spent }) as SpendReportLine;

test('the largest cost centre comes first, and what has none keeps a name', () => {
  const { series, buckets } = stacksOf([line('2026-11-01', 'A', 5), line('2026-11-02', 'B', 9), line('2026-11-02', null, 1)], ['2026-11-01', '2026-11-02']);
  expect(series).toEqual(['B', 'A', UNALLOCATED]);
  expect(buckets.map((bucket) => bucket.values)).toEqual([[0, 5, 0], [9, 0, 1]]);
});

test('more cost centres than colours are summed up, and nothing is lost', () => {
  const lines = Array.from({ length: 20 }, (_, at) => line('2026-11-01', `c${at}`, at + 1));
  const { series, buckets } = stacksOf(lines, ['2026-11-01']);
  expect(series).toHaveLength(8);
  expect(buckets[0]?.values.reduce((sum, value) => sum + value, 0)).toBe(210);
});

const tree = (id: string, budget: number | null, children: DelegationTree[] = [], status = 'active') =>
  ({ id, label: id, budget_credits: budget, spent_credits: 0, own_spent_credits: 0, status, children }) as unknown as DelegationTree;

test('what a delegation has not given away is an area of its own, and the dead have none', () => {
  const plot = plotOf(tree('root', null, [tree('a', 100, [tree('b', 60), tree('c', 30, [], 'revoked')])]));
  expect(plot.children[0]?.children.map(({ label, size }) => [label, size])).toEqual([['b', 60], ['Not given away', 40]]);
  expect(rowsOf(tree('root', null, [tree('a', 1, [], 'expired')])).map((row) => row.id)).toEqual(['root']);
});

test('cap children that were promised more than there is widen the area', () => {
  expect(plotOf(tree('a', 100, [tree('b', 80), tree('c', 80)])).size).toBe(160);
});
