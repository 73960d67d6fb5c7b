import type { Line } from './rows';

/** What has the focus: a row, or one of its cells. */
export interface Place {
  at: number;
  column: number | 'row';
}

export type Step =
  | { kind: 'go'; to: Place }
  /** The row is opened or closed, and keeps the focus. */
  | { kind: 'toggle'; key: string }
  /** Its page is visited. */
  | { kind: 'visit'; key: string };

export interface Grid {
  lines: readonly Line[];
  isOpen: (key: string) => boolean;
  columns: number;
  /** How many rows are in sight. */
  inSight: number;
}

/** What a key does in a tree table, by the ARIA practices' treegrid; `undefined`: nothing, and the browser may have it. */
export function stepFor(key: string, { at, column }: Place, grid: Grid): Step | undefined {
  const line = grid.lines[at];
  if (!line) return undefined;
  const { row } = line;
  const isOpen = row.hasChildren && grid.isOpen(row.key);
  const go = (to: number, toColumn = column): Step => ({ kind: 'go', to: { at: to, column: toColumn } });
  const goBy = (rows: number) => go(nearest(at + rows, rows, grid.lines) ?? at);
  switch (key) {
    case 'ArrowDown': return goBy(1);
    case 'ArrowUp': return goBy(-1);
    case 'PageDown': return goBy(Math.max(1, grid.inSight - 1));
    case 'PageUp': return goBy(-Math.max(1, grid.inSight - 1));
    case 'Home': return column === 'row' ? go(0) : go(at, 0);
    case 'End': return column === 'row' ? go(nearest(grid.lines.length - 1, 1, grid.lines) ?? at) : go(at, grid.columns - 1);
    case 'Enter': return row.kind === 'node' ? { kind: 'visit', key: row.key } : undefined;
    case 'ArrowRight':
      if (column !== 'row') return go(at, Math.min(column + 1, grid.columns - 1));
      return row.hasChildren && !isOpen ? { kind: 'toggle', key: row.key } : go(at, 0);
    case 'ArrowLeft':
      if (column !== 'row') return go(at, column === 0 ? 'row' : column - 1);
      return isOpen ? { kind: 'toggle', key: row.key } : go(above(at, grid.lines));
    default: return undefined;
  }
}

/** Where rows are still to come there is nothing to do: the last one before it, seen in the direction of the way. */
function nearest(wanted: number, direction: number, lines: readonly Line[]): number | undefined {
  const start = Math.max(0, Math.min(wanted, lines.length - 1));
  const takesFocus = (at: number) => lines[at]?.row.kind === 'node' || lines[at]?.row.kind === 'failed';
  const way = Math.sign(direction);
  for (let at = start; at >= 0 && at < lines.length; at += way) if (takesFocus(at)) return at;
  for (let at = start; at >= 0 && at < lines.length; at -= way) if (takesFocus(at)) return at;
  return undefined;
}

function above(at: number, lines: readonly Line[]): number {
  const level = lines[at]?.level ?? 1;
  for (let up = at - 1; up >= 0; up -= 1) if ((lines[up]?.level ?? 0) < level) return up;
  return at;
}

/** The first row after this one whose name begins with what was typed; one letter alone goes on to the next. */
export function named(typed: string, at: number, lines: readonly Line[], nameOf: (id: string) => string): number | undefined {
  const wanted = typed.toLocaleLowerCase();
  const first = typed.length === 1 ? at + 1 : at;
  for (let step = 0; step < lines.length; step += 1) {
    const candidate = (first + step) % lines.length;
    const row = lines[candidate]?.row;
    if (row?.kind === 'node' && nameOf(row.id).toLocaleLowerCase().startsWith(wanted)) return candidate;
  }
  return undefined;
}
