import { expect, test } from 'vitest';
import type { Node } from '../../api/delegations';
import type { Forecast } from '../../api/schema';
import { effectiveLevels } from './binding';
import { burnOf } from './burndown';
import { hasChanged, impact, isTyped, needsTyping } from './revoke';

const node = (id: string, allocation: 'carve' | 'cap', remaining: number | null, available: number | null) =>
  ({ id, label: id, allocation, remaining_credits: remaining, available_credits: available }) as Node;
const binding = (...chain: Node[]) => effectiveLevels(chain).find((level) => level.binds)?.node.id;

test('what was set aside is bound by its own budget alone', () => {
  expect(binding(node('root', 'carve', null, null), node('team', 'carve', 100, 5), node('agent', 'carve', 50, 50))).toBe('agent');
});

test('a cap child is bound by what its parent has available where that is less', () => {
  expect(binding(node('root', 'carve', null, null), node('team', 'carve', 100, 5), node('agent', 'cap', 50, 50))).toBe('team');
});

test('nothing binds an unlimited root', () => {
  expect(binding(node('root', 'carve', null, null))).toBeUndefined();
});

test('nothing binds what is over', () => {
  expect(binding(node('root', 'carve', null, null), { ...node('agent', 'carve', 50, 50), status: 'revoked' })).toBeUndefined();
});

const receipt = { id: 'dlg_1', dry_run: true, descendants: 14, holds_voided: 0, held_credits_voided: 0, credits_freed: 3_210, active_last_hour: 3, version: 1 };

test('the impact of a revocation is one sentence', () => {
  expect(impact(receipt)).toBe('Invalidates it and 14 descendants, frees 3,210 cr, 3 active in the last hour.');
  expect(impact({ ...receipt, active_last_hour: 250 })).toContain(', 250 or more active in the last hour.');
  expect(impact({ ...receipt, descendants: 0, active_last_hour: 0, holds_voided: 1, held_credits_voided: 5 })).toBe('Invalidates it alone, frees 3,210 cr, voids 1 hold of 5 cr, none active in the last hour.');
});

test('small revocations need no typing, large or busy ones do', () => {
  const small = { ...receipt, descendants: 5, credits_freed: 1_000, active_last_hour: 0 };
  expect(needsTyping(small)).toBe(false);
  expect([{ descendants: 6 }, { credits_freed: 1_001 }, { active_last_hour: 1 }].map((part) => needsTyping({ ...small, ...part }))).toEqual([true, true, true]);
});

test('a preview is stale once the delegation was changed or something was made below it', () => {
  expect([[1, 14], [2, 14], [1, 15]].map(([version = 0, descendants = 0]) => hasChanged({ version, descendants }, receipt))).toEqual([false, true, true]);
  expect(hasChanged({ version: 1, descendants: 13 }, receipt), 'what is shown may lag behind the preview').toBe(false);
});

test('the label is what has to be typed, in any normal form, or the id', () => {
  const named = { id: 'dlg_1', label: 'Café' };
  expect(['Cafe\u0301', ' Café ', 'dlg_1', 'café', ''].map((typed) => isTyped(typed, named))).toEqual([true, true, true, false, false]);
});

const forecast = {
  as_of: '2026-11-27T12:00:00Z',
  days: [{ date: '2026-11-25', spent_credits: 10 }, { date: '2026-11-26', spent_credits: 20 }],
  run_out: { early: '2026-12-01T00:00:00Z', expected: '2026-12-05T00:00:00Z', late: null },
} as Forecast;

test('the burn-down goes back from what remains, day by day', () => {
  expect(burnOf(forecast, 70).past.map((point) => [new Date(point.at).toISOString().slice(0, 13), point.remaining])).toEqual([
    ['2026-11-25T00', 100],
    ['2026-11-26T00', 90],
    ['2026-11-27T00', 70],
    ['2026-11-27T12', 70],
  ]);
});

test('without a late end the forecast has no late line', () => {
  const burn = burnOf(forecast, 70);
  expect([burn.expected?.at(-1)?.remaining, burn.late]).toEqual([0, undefined]);
});
