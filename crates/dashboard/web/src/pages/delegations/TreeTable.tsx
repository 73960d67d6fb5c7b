import { useQueryClient } from '@tanstack/react-query';
import { useCallback, useEffect, useMemo, useRef, type CSSProperties, type MouseEvent, type PointerEvent } from 'react';
import { levelQuery } from '../../api/delegations';
import { leastWidthOf, useColumns, widthsOf, type TreeColumn } from './columns';
import { linesOf, type Line, type Row } from './rows';
import { ROW_HEIGHT, TreeRow } from './TreeRow';
import { useFocus } from './useFocus';
import { useSpan } from './useSpan';
import styles from './TreeTable.module.css';

/** Whoever goes through the rows by the arrow keys rests on none that long. */
const RESTING_MS = 120;

interface TreeTableProps {
  top: Row;
  expanded: ReadonlySet<string>;
  onExpandedChange: (keys: ReadonlySet<string>) => void;
  /** Which nodes fit the filters; absent: no filter is on. */
  matching?: ReadonlySet<string> | undefined;
}

/**
 * The tree as an accessible `treegrid`, of which only the visible rows exist. It is this page's own: a level has to open within
 * a blink, and a general table's machinery for each row and cell takes several times that.
 */
export function TreeTable({ top, expanded, onExpandedChange, matching }: TreeTableProps) {
  const client = useQueryClient();
  const { columns, isNarrow } = useColumns();
  const lines = useMemo(() => linesOf(top), [top]);
  const frame = useRef<HTMLDivElement>(null);
  const { span, onScroll } = useSpan(frame, ROW_HEIGHT);
  const toggle = (key: string) => {
    const keys = new Set(expanded);
    if (!keys.delete(key)) keys.add(key);
    onExpandedChange(keys);
  };
  const grid = { lines, isOpen: (key: string) => expanded.has(key), columns: columns.length, inSight: span.inSight };
  const focus = useFocus(frame, grid, toggle);

  const onClick = (event: MouseEvent) => {
    const key = keyAt(event.target);
    if (key === undefined || !(event.target instanceof Element)) return;
    if (event.target.closest('[data-toggle]')) toggle(key);
    else if (!event.target.closest('a, button') && getSelection()?.type !== 'Range') follow(event);
  };
  // Whoever points at a row, or rests on it, may open it next: what is below it is then there already.
  const prefetch = useCallback(
    (key: string | undefined) => {
      const row = lines[focus.places.get(key ?? '') ?? -1]?.row;
      if (row?.hasChildren) void client.prefetchQuery(levelQuery(client, row.id));
    },
    [client, lines, focus.places],
  );
  const onPointerOver = (event: PointerEvent) => {
    if (event.pointerType === 'mouse') prefetch(keyAt(event.target));
  };
  useEffect(() => {
    const timer = setTimeout(() => prefetch(focus.key), RESTING_MS);
    return () => clearTimeout(timer);
  }, [prefetch, focus.key]);

  return (
    <div ref={frame} className={styles.container} onScroll={onScroll}>
      <div
        role="treegrid"
        aria-label="Delegations"
        aria-rowcount={lines.length + 1}
        aria-colcount={columns.length}
        className={styles.table}
        style={{ '--columns': widthsOf(columns), minWidth: leastWidthOf(columns) } as CSSProperties}
        onClick={onClick}
        onPointerOver={onPointerOver}
        {...focus.handlers}
      >
        <Heading columns={columns} />
        <div role="rowgroup" className={styles.body} style={{ height: lines.length * ROW_HEIGHT }}>
          {drawn(lines, span, focus.at).map((at) => {
            const line = lines[at] as Line;
            const { key, id } = line.row;
            return (
              <TreeRow
                key={key}
                {...line}
                at={at}
                columns={columns}
                isOpen={expanded.has(key)}
                isMatch={matching === undefined || matching.has(id)}
                badge={isNarrow ? 'with' : 'without'}
                stop={at === focus.at ? focus.column : undefined}
              />
            );
          })}
        </div>
      </div>
    </div>
  );
}

function Heading({ columns }: { columns: readonly TreeColumn[] }) {
  return (
    <div role="rowgroup" className={styles.header}>
      <div role="row" aria-rowindex={1} className={styles.heading}>
        {columns.map((column, at) => (
          <div key={column.id} role="columnheader" aria-colindex={at + 1} className={`${styles.column} ${column.cell === undefined ? styles.first : ''} ${column.align === 'end' ? styles.end : ''}`}>
            {column.name}
          </div>
        ))}
      </div>
    </div>
  );
}

/** The rows in sight and around it, in order, and the one that has the focus, wherever it is. */
function drawn(lines: readonly Line[], { from, until }: { from: number; until: number }, focused: number): number[] {
  const places: number[] = [];
  for (let at = from; at < Math.min(until, lines.length); at += 1) places.push(at);
  if (focused < from && focused < lines.length) places.unshift(focused);
  else if (focused >= until && focused < lines.length) places.push(focused);
  return places;
}

function keyAt(target: EventTarget): string | undefined {
  const row = target instanceof Element ? target.closest<HTMLElement>('[data-key]') : null;
  return row?.dataset['key'];
}

/** A click anywhere on a row is one on its link, with the keys that were held: they may ask for another tab. */
function follow({ target, ctrlKey, metaKey, shiftKey, altKey }: MouseEvent): void {
  const link = target instanceof Element ? target.closest('[data-key]')?.querySelector('a') : null;
  link?.dispatchEvent(new window.MouseEvent('click', { bubbles: true, cancelable: true, ctrlKey, metaKey, shiftKey, altKey }));
}
