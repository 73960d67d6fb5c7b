import { useQueryClient } from '@tanstack/react-query';
import { memo, useEffect, type CSSProperties, type ReactNode } from 'react';
import { Link } from 'react-router';
import { levelKey, loadMore } from '../../api/delegations';
import { Button } from '../../parts/Button';
import { ChevronIcon } from '../../parts/icons';
import { NameCell, useNode } from './cells';
import type { TreeColumn } from './columns';
import type { Place } from './keyboard';
import type { Line, Row } from './rows';
import styles from './TreeTable.module.css';

export const ROW_HEIGHT = 46;

interface TreeRowProps extends Line {
  at: number;
  columns: readonly TreeColumn[];
  isOpen: boolean;
  isMatch: boolean;
  badge: 'with' | 'without';
  /** Which of its parts the Tab key gets to; absent: none. */
  stop: Place['column'] | undefined;
}

/**
 * One row. It listens to nothing: the table does that for all of its rows, so that a row is drawn anew only when it has changed
 * itself.
 */
export const TreeRow = memo(function TreeRow(props: TreeRowProps) {
  return props.row.kind === 'node' ? <NodeRow {...props} /> : <ExtraRow {...props} />;
});

function NodeRow({ row, at, level, position, siblings, columns, isOpen, isMatch, badge, stop }: TreeRowProps) {
  const node = useNode(row.id);
  const tab = (place: Place['column']) => (stop === place ? 0 : -1);
  return (
    <div
      role="row"
      className={styles.row}
      style={{ top: at * ROW_HEIGHT }}
      data-key={row.key}
      tabIndex={tab('row')}
      // The heading is the first row.
      aria-rowindex={at + 2}
      aria-level={level}
      aria-posinset={position}
      aria-setsize={siblings}
      aria-expanded={row.hasChildren ? isOpen : undefined}
      aria-labelledby={nameId(row)}
    >
      {columns.map((column, index) =>
        column.cell === undefined ? (
          <div key={column.id} role="rowheader" aria-colindex={index + 1} data-column={index} tabIndex={tab(index)} className={`${styles.cell} ${styles.first}`}>
            <Indented level={level}>
              {row.hasChildren ? (
                <button type="button" tabIndex={-1} data-toggle="" aria-label={isOpen ? 'Collapse' : 'Expand'} className={`${styles.chevron} ${isOpen ? styles.open : ''}`}>
                  <ChevronIcon size={14} />
                </button>
              ) : (
                <span className={styles.chevron} aria-hidden="true" />
              )}
              <Link id={nameId(row)} to={`/delegations/${row.id}`} tabIndex={-1} draggable={false} className={styles.link}>
                {node ? <NameCell node={node} badge={badge} isMatch={isMatch} /> : null}
              </Link>
            </Indented>
          </div>
        ) : (
          <div key={column.id} role="gridcell" aria-colindex={index + 1} data-column={index} tabIndex={tab(index)} className={`${styles.cell} ${column.align === 'end' ? styles.end : ''}`}>
            {node ? column.cell(node) : null}
          </div>
        ),
      )}
    </div>
  );
}

function nameId(row: Row): string {
  return `name-of-${row.id}`;
}

function Indented({ level, children }: { level: number; children: ReactNode }) {
  return <span className={styles.tree} style={{ '--depth': level - 1 } as CSSProperties}>{children}</span>;
}

/** The end of what is loaded of a level. It is drawn when it is about to come into sight, which is when the rest is asked for. */
function ExtraRow({ row, at, level, position, columns, stop }: TreeRowProps) {
  return (
    <div role="row" className={styles.row} style={{ top: at * ROW_HEIGHT }} data-key={row.key} tabIndex={stop === undefined ? -1 : 0} aria-rowindex={at + 2} aria-level={level}>
      <div role="gridcell" aria-colspan={columns.length} className={`${styles.cell} ${styles.whole}`}>
        <Indented level={level}>
          <span className={styles.extra}><Extra row={row} position={position} /></span>
        </Indented>
      </div>
    </div>
  );
}

function Extra({ row: { kind, id }, position }: { row: Row; position: number }) {
  const client = useQueryClient();
  // Once more where it is still drawn when its level has grown.
  useEffect(() => {
    if (kind === 'more') void loadMore(client, id).catch(() => {});
  }, [client, kind, id, position]);
  if (kind !== 'failed') return <>Loading…</>;
  return (
    <>
      Could not be loaded. <Button size="small" onPress={() => void client.refetchQueries({ queryKey: levelKey(id) })}>Try again</Button>
    </>
  );
}
