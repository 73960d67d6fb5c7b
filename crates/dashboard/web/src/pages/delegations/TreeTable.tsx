import { useQueryClient, type QueryClient } from '@tanstack/react-query';
import { useEffect, useMemo, type ReactNode } from 'react';
import { Button as AriaButton, Cell, Collection, Column, ResizableTableContainer, Row as AriaRow, Table, TableBody, TableHeader, TableLayout, Virtualizer } from 'react-aria-components';
import { levelKey, levelQuery, loadMore } from '../../api/delegations';
import { useMedia } from '../../lib/hooks';
import { Button } from '../../parts/Button';
import { ChevronIcon } from '../../parts/icons';
import { AttributionCell, BudgetCell, LifeCell, NameCell, SpendCell, StatusCell } from './cells';
import type { Row } from './rows';
import styles from './TreeTable.module.css';

interface TreeColumn {
  id: string;
  name: string;
  width: `${number}fr` | number;
  minWidth: number;
  align?: 'end';
  cell: (id: string) => ReactNode;
}

const NAME: Omit<TreeColumn, 'cell'> = { id: 'name', name: 'Delegation', width: '4fr', minWidth: 230 };
const BUDGET: TreeColumn = { id: 'budget', name: 'Spent and remaining', width: '2fr', minWidth: 180, cell: (id) => <BudgetCell id={id} /> };
const SPEND: TreeColumn = { id: 'spend', name: 'Subtree, own spend', width: '1fr', minWidth: 152, align: 'end', cell: (id) => <SpendCell id={id} /> };
const STATUS: TreeColumn = { id: 'status', name: 'Status', width: 112, minWidth: 112, cell: (id) => <StatusCell id={id} /> };
/** Two facts share a column where they belong together: each cell costs time when a level is opened. */
const WIDE: TreeColumn[] = [
  { id: 'attribution', name: 'Cost centre, department', width: '1.6fr', minWidth: 164, cell: (id) => <AttributionCell id={id} /> },
  BUDGET,
  SPEND,
  { id: 'life', name: 'Expires, last used', width: '1fr', minWidth: 136, cell: (id) => <LifeCell id={id} /> },
  STATUS,
];

interface TreeTableProps {
  top: Row;
  expanded: ReadonlySet<string>;
  onExpandedChange: (keys: ReadonlySet<string>) => void;
  /** Which nodes fit the filters; absent: no filter is on. */
  matching?: ReadonlySet<string> | undefined;
}

/** The tree as an accessible `treegrid`, of which only the visible rows exist. */
export function TreeTable({ top, expanded, onExpandedChange, matching }: TreeTableProps) {
  const wide = useMedia('(min-width: 1240px)');
  const narrow = useMedia('(max-width: 720px)');
  const columns = useMemo<TreeColumn[]>(() => {
    const isMatch = (id: string) => matching === undefined || matching.has(id);
    const name: TreeColumn = { ...NAME, ...(narrow ? { minWidth: 150 } : {}), cell: (id) => <NameCell id={id} badge={narrow ? 'with' : 'without'} isMatch={isMatch(id)} /> };
    if (narrow) return [name, { ...BUDGET, minWidth: 165 }];
    return wide ? [name, ...WIDE] : [name, BUDGET, SPEND, STATUS];
  }, [wide, narrow, matching]);
  const items = useMemo(() => [top], [top]);

  return (
    <ResizableTableContainer className={styles.container ?? ''}>
      <Virtualizer layout={TableLayout} layoutOptions={{ rowHeight: 46, headingHeight: 34 }}>
        <Table
          aria-label="Delegations"
          treeColumn="name"
          className={styles.table ?? ''}
          expandedKeys={expanded}
          onExpandedChange={(keys) => onExpandedChange(new Set([...keys].map(String)))}
        >
          <TableHeader columns={columns} className={styles.header ?? ''}>
            {(column: TreeColumn) => (
              <Column id={column.id} isRowHeader={column.id === 'name'} width={column.width} minWidth={column.minWidth} className={`${styles.column} ${place(column)}`}>
                {column.name}
              </Column>
            )}
          </TableHeader>
          <TableBody items={items} dependencies={[columns]}>
            {(row: Row) => <TreeRow row={row} columns={columns} />}
          </TableBody>
        </Table>
      </Virtualizer>
    </ResizableTableContainer>
  );
}

function place(column: TreeColumn): string {
  if (column.id === 'name') return styles.first ?? '';
  return column.align === 'end' ? (styles.end ?? '') : '';
}

function TreeRow({ row, columns }: { row: Row; columns: TreeColumn[] }) {
  const client = useQueryClient();
  if (row.kind !== 'node') {
    return (
      <AriaRow id={row.key} textValue={row.kind === 'failed' ? 'Could not be loaded' : 'Loading more'} className={styles.row ?? ''}>
        <Cell colSpan={columns.length} className={styles.cell ?? ''}>
          {({ level }) => <span className={styles.extra} style={{ paddingInlineStart: level * 20 + 8 }}><Extra row={row} /></span>}
        </Cell>
      </AriaRow>
    );
  }
  return (
    <AriaRow id={row.key} {...expandable(row)} href={`/delegations/${row.id}`} className={styles.row ?? ''} onHoverStart={() => prefetch(client, row)}>
      {columns.map((column) => (
        <Cell key={column.id} className={`${styles.cell} ${place(column)}`}>
          {column.id === 'name' ? (cell) => <TreeCell {...cell}>{column.cell(row.id)}</TreeCell> : column.cell(row.id)}
        </Cell>
      ))}
      <Collection items={row.children} dependencies={[columns]}>{(child: Row) => <TreeRow row={child} columns={columns} />}</Collection>
    </AriaRow>
  );
}

/** Whoever points at a row may open it next: what is below it is then there already. */
function prefetch(client: QueryClient, row: Row): void {
  if (row.hasChildren) void client.prefetchQuery(levelQuery(client, row.id));
}

/** The second name is what React Aria's keyboard handling and `aria-expanded` look at where the children are not loaded. */
function expandable(row: Row) {
  return { hasChildItems: row.hasChildren, hasChildRows: row.hasChildren };
}

function TreeCell({ level, hasChildItems, isExpanded, children }: { level: number; hasChildItems: boolean; isExpanded: boolean; children: ReactNode }) {
  return (
    <span className={styles.tree} style={{ paddingInlineStart: (level - 1) * 20 }}>
      {hasChildItems ? (
        <AriaButton slot="chevron" className={`${styles.chevron} ${isExpanded ? styles.open : ''}`}>
          <ChevronIcon size={14} />
        </AriaButton>
      ) : (
        <span className={styles.chevron} aria-hidden="true" />
      )}
      {children}
    </span>
  );
}

/** The end of what is loaded of a level. It is drawn when it comes into sight, which is when the rest is asked for. */
function Extra({ row }: { row: Row }) {
  const client = useQueryClient();
  const { kind, id } = row;
  useEffect(() => {
    if (kind === 'more') void loadMore(client, id).catch(() => {});
  }, [client, kind, id]);
  if (kind === 'failed') {
    return (
      <>
        Could not be loaded. <Button size="small" onPress={() => void client.refetchQueries({ queryKey: levelKey(id) })}>Try again</Button>
      </>
    );
  }
  return <>Loading…</>;
}
