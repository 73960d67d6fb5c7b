import { expect, test } from 'vitest';
import { named, stepFor, type Grid, type Place } from './keyboard';
import { linesOf, type Row } from './rows';
import { spanAt } from './useSpan';

const row = (key: string, children: Row[] = [], kind: Row['kind'] = 'node', hasChildren = children.length > 0): Row => ({ key, kind, id: key, hasChildren, children });

/** root › a (open: a1, a2, more to come), b (closed, has children), c */
const lines = linesOf(row('root', [row('a', [row('a1'), row('a2'), row('more a', [], 'more')]), row('b', [], 'node', true), row('c')]));
const grid: Grid = { lines, isOpen: (key) => key === 'root' || key === 'a', columns: 3, inSight: 3 };
const at = (key: string, column: Place['column'] = 'row'): Place => ({ at: lines.findIndex((line) => line.row.key === key), column });
const went = (key: string, from: Place) => {
  const step = stepFor(key, from, grid);
  return step?.kind === 'go' ? [lines[step.to.at]?.row.key, step.to.column] : step;
};

test('rows say where in the tree they are', () => {
  expect(lines.map(({ row, level, position, siblings }) => [row.key, level, position, siblings])).toEqual([
    ['root', 1, 1, 1], ['a', 2, 1, 3], ['a1', 3, 1, -1], ['a2', 3, 2, -1], ['more a', 3, 3, -1], ['b', 2, 2, 3], ['c', 2, 3, 3],
  ]);
});

test('the arrow keys go from row to row, past what is still to come, and end at the ends', () => {
  expect(went('ArrowDown', at('a'))).toEqual(['a1', 'row']);
  expect(went('ArrowDown', at('a2'))).toEqual(['b', 'row']);
  expect(went('ArrowUp', at('b'))).toEqual(['a2', 'row']);
  expect([went('ArrowUp', at('root')), went('ArrowDown', at('c'))]).toEqual([['root', 'row'], ['c', 'row']]);
});

test('right opens a closed row and goes into an open one, left closes it and goes up', () => {
  expect(went('ArrowRight', at('b'))).toEqual({ kind: 'toggle', key: 'b' });
  expect(went('ArrowRight', at('a'))).toEqual(['a', 0]);
  expect(went('ArrowRight', at('c'))).toEqual(['c', 0]);
  expect(went('ArrowLeft', at('a'))).toEqual({ kind: 'toggle', key: 'a' });
  expect(went('ArrowLeft', at('a2'))).toEqual(['a', 'row']);
});

test('within a row the arrow keys go from cell to cell, and back to the row', () => {
  expect([went('ArrowRight', at('a', 0)), went('ArrowRight', at('a', 2))]).toEqual([['a', 1], ['a', 2]]);
  expect([went('ArrowLeft', at('a', 1)), went('ArrowLeft', at('a', 0))]).toEqual([['a', 0], ['a', 'row']]);
  expect(went('ArrowDown', at('a', 2))).toEqual(['a1', 2]);
  expect([went('Home', at('a', 2)), went('End', at('a', 0))]).toEqual([['a', 0], ['a', 2]]);
});

test('home, end and the page keys go far', () => {
  expect([went('Home', at('c')), went('End', at('root'))]).toEqual([['root', 'row'], ['c', 'row']]);
  expect([went('PageDown', at('root')), went('PageUp', at('c'))]).toEqual([['a1', 'row'], ['a2', 'row']]);
});

test('a level that goes on has its last loaded row as its end', () => {
  const open = linesOf(row('root', [row('x'), row('more root', [], 'more')]));
  expect(stepFor('End', { at: 0, column: 'row' }, { ...grid, lines: open })).toEqual({ kind: 'go', to: { at: 1, column: 'row' } });
});

test('enter visits a node, and other keys are left alone', () => {
  expect(went('Enter', at('b'))).toEqual({ kind: 'visit', key: 'b' });
  expect([went('Tab', at('b')), went('Escape', at('b'))]).toEqual([undefined, undefined]);
});

test('names are found by how they begin, from here on and round again', () => {
  const nameOf = (id: string) => ({ root: 'Root Key', a: 'Ape', a1: 'bee', a2: 'Bear', b: 'Ant', c: 'cat' })[id] ?? '';
  const find = (typed: string, from: string) => lines[named(typed, at(from).at, lines, nameOf) ?? -1]?.row.key;
  expect([find('a', 'a'), find('b', 'a1'), find('bea', 'a1'), find('r', 'c')]).toEqual(['b', 'a2', 'a2', 'root']);
  expect(find('z', 'root')).toBeUndefined();
});

test('what is drawn covers what is in sight wherever it is scrolled to', () => {
  for (const scrolled of [0, 1, 45, 46, 1_000, 99_999]) {
    const { from, until } = spanAt(scrolled, 460, 46);
    expect(from).toBeLessThanOrEqual(Math.floor(scrolled / 46));
    expect(until * 46).toBeGreaterThanOrEqual(scrolled + 460);
    expect(until - from).toBeLessThan(50);
  }
});
