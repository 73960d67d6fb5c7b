import { expect, test } from 'vitest';
import { filtersOf, searchOf } from './filters';

test('filters are read back from the address that they make', () => {
  const filters = { q: 'a & b', status: 'frozen', costCenter: 'R&D', department: 'ML=Team' } as const;
  expect(filtersOf(new URLSearchParams(searchOf(filters).toString()))).toEqual(filters);
});

test('what is not filtered by is not in the address', () => {
  expect(searchOf({ q: '', status: '', costCenter: '', department: '' }).toString()).toBe('');
});

test('a status that does not exist filters nothing', () => {
  expect(filtersOf(new URLSearchParams('status=dead&q=x'))).toEqual({ q: 'x', status: '', costCenter: '', department: '' });
});
