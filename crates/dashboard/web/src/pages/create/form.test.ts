import { expect, test } from 'vitest';
import { bodyOf, draftOf, endOf, faultsOf } from './form';

const NOW = Date.parse('2026-11-27T12:00:00Z');
const draft = (address: string) => draftOf(new URLSearchParams(address), 'dlg_root');

test('an address fills the form', () => {
  expect(draft('parent=dlg_1&budget=500&label=x&allocation=cap&expiry=7d&caveat=route+%3D+%2Fv1%2F*')).toMatchObject({
    parent: 'dlg_1', budget: '500', label: 'x', allocation: 'cap', expiry: '7d', caveats: 'route = /v1/*',
  });
});

test('an address that says nothing or nonsense gives the defaults', () => {
  expect(draft('allocation=all&expiry=soon')).toMatchObject({ parent: 'dlg_root', budget: '', allocation: 'carve', expiry: '30d' });
});

test('a child ends with its parent where it would outlive it', () => {
  const parent = { expires_at: '2026-11-28T00:00:00Z' };
  expect(endOf(draft('expiry=7d'), parent, NOW)).toEqual({ at: parent.expires_at, capped: true });
  expect(endOf(draft('expiry=1h'), parent, NOW)).toEqual({ at: '2026-11-27T13:00:00.000Z', capped: false });
  expect(bodyOf(draft('expiry=7d&label=x&budget=1'), parent, NOW).expiry).toBeUndefined();
  expect(bodyOf(draft('expiry=1h&label=x&budget=1'), parent, NOW).expiry).toBe('1h');
});

test('a custom end after the parent is a fault, not cut', () => {
  const custom = { ...draft('label=x&budget=1'), expiry: 'custom' as const, customExpiry: '2027-01-01T00:00' };
  expect(faultsOf(custom, { expires_at: '2026-12-01T00:00:00Z' }, NOW)).toHaveProperty('/expiry');
  expect(faultsOf(custom, {}, NOW)).toEqual({});
});

test('what the path has already is not sent again', () => {
  const body = bodyOf({ ...draft('label=x&budget=1'), costCenter: 'Other', department: 'ML' }, { cost_center: 'Engineering' }, NOW);
  expect(body.cost_center).toBeUndefined();
  expect(body.department).toBe('ML');
});

test('amounts that are none are faults where they stand', () => {
  const wrong = { ...draft('label=&budget=1.5'), maxPerSpend: '0', limits: [{ key: '1', credits: '', per: 'day' as const }], actions: [] };
  expect(Object.keys(faultsOf(wrong, {}, NOW)).sort()).toEqual(['/actions', '/budget_credits', '/label', '/limits/0/credits', '/max_per_spend']);
});
