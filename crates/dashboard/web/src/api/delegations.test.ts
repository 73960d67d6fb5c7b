import { expect, test } from 'vitest';
import { withAncestors, type Node } from './delegations';

const node = (id: string, parent: string | null) => ({ id, parent_id: parent }) as Node;
const nodes = [node('root', null), node('a', 'root'), node('b', 'root'), node('a1', 'a'), node('a2', 'a'), node('b1', 'b')];
const known = new Map(nodes.map((one) => [one.id, one]));
const pick = (...ids: string[]) => nodes.filter((one) => ids.includes(one.id));

test('every node above a match is kept, and leads to it', () => {
  expect(withAncestors(pick('a1', 'b1'), known)).toEqual({ root: ['a', 'b'], a: ['a1'], b: ['b1'] });
});

test('siblings that do not lead to a match are left out', () => {
  expect(withAncestors(pick('a2'), known)).toEqual({ root: ['a'], a: ['a2'] });
});

test('a match that leads to another one is there once', () => {
  expect(withAncestors(pick('a', 'a1', 'a2'), known)).toEqual({ root: ['a'], a: ['a1', 'a2'] });
});

test('a match at the root has nothing above it', () => {
  expect(withAncestors(pick('root'), known)).toEqual({});
});
