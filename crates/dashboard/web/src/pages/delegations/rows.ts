import type { Level, Node } from '../../api/delegations';

/** A row of the tree table. Rows that did not change stay the same objects, which is what makes large trees cheap to redraw. */
export interface Row {
  key: string;
  kind: 'node' | 'loading' | 'more' | 'failed';
  /** The node itself; for the other kinds the node whose level goes on here. */
  id: string;
  hasChildren: boolean;
  children: Row[];
}

/** A row with where it stands among those that are shown. */
export interface Line {
  row: Row;
  level: number;
  /** From 1 on, among the rows of its level. */
  position: number;
  /** How many rows its level has; -1 while more of them are to come. */
  siblings: number;
}

export interface Picture {
  isOpen: (id: string) => boolean;
  /** The children to show of a node, where only matches are shown. */
  matchesBelow: (id: string) => string[] | undefined;
  level: (id: string) => Level | 'loading' | 'failed';
  node: (id: string) => Node | undefined;
}

/** The rows from `id` down, as far as they are open. `before` holds the rows of the last time. */
export function rowsFrom(id: string, picture: Picture, before: Map<string, Row>): Row {
  const chosen = picture.matchesBelow(id);
  const hasChildren = chosen !== undefined || (picture.node(id)?.descendants ?? 0) > 0;
  const children = hasChildren && picture.isOpen(id) ? childRows(id, chosen, picture, before) : [];
  return remembered({ key: id, kind: 'node', id, hasChildren, children }, before);
}

function childRows(id: string, chosen: string[] | undefined, picture: Picture, before: Map<string, Row>): Row[] {
  if (chosen) return chosen.map((child) => rowsFrom(child, picture, before));
  const level = picture.level(id);
  if (level === 'loading' || level === 'failed') return [extra(level, id, before)];
  const rows = level.ids.map((child) => rowsFrom(child, picture, before));
  return level.next === null ? rows : [...rows, extra('more', id, before)];
}

function extra(kind: 'loading' | 'more' | 'failed', id: string, before: Map<string, Row>): Row {
  return remembered({ key: `${kind} ${id}`, kind, id, hasChildren: false, children: [] }, before);
}

function remembered(row: Row, before: Map<string, Row>): Row {
  const old = before.get(row.key);
  const same =
    old !== undefined &&
    old.hasChildren === row.hasChildren &&
    old.children.length === row.children.length &&
    old.children.every((child, at) => child === row.children[at]);
  if (same) return old;
  before.set(row.key, row);
  return row;
}

/** The rows in the order in which they are shown. */
export function linesOf(top: Row): Line[] {
  const lines: Line[] = [];
  const add = (rows: Row[], level: number) => {
    const siblings = rows.at(-1)?.kind === 'more' ? -1 : rows.length;
    rows.forEach((row, at) => {
      lines.push({ row, level, position: at + 1, siblings });
      add(row.children, level + 1);
    });
  };
  add([top], 1);
  return lines;
}
