import type { ReactNode } from 'react';
import { useMemo } from 'react';
import type { Node } from '../../api/delegations';
import { useMedia } from '../../lib/hooks';
import { AttributionCell, BudgetCell, LifeCell, SpendCell, StatusCell } from './cells';

export interface TreeColumn {
  id: string;
  name: string;
  /** What it takes of the width that is left over, beyond its least width in pixels. */
  share: number;
  least: number;
  align?: 'end';
  /** Absent: the column of the names, which says where in the tree a row is. */
  cell?: (node: Node) => ReactNode;
}

const NAME: TreeColumn = { id: 'name', name: 'Delegation', share: 4, least: 230 };
const BUDGET: TreeColumn = { id: 'budget', name: 'Spent and remaining', share: 2, least: 180, cell: (node) => <BudgetCell node={node} /> };
const SPEND: TreeColumn = { id: 'spend', name: 'Subtree, own spend', share: 1, least: 152, align: 'end', cell: (node) => <SpendCell node={node} /> };
const STATUS: TreeColumn = { id: 'status', name: 'Status', share: 0, least: 112, cell: (node) => <StatusCell node={node} /> };

/** Two facts share a column where they belong together. */
const WIDE: TreeColumn[] = [
  NAME,
  { id: 'attribution', name: 'Cost centre, department', share: 1.6, least: 164, cell: (node) => <AttributionCell node={node} /> },
  BUDGET,
  SPEND,
  { id: 'life', name: 'Expires, last used', share: 1, least: 136, cell: (node) => <LifeCell node={node} /> },
  STATUS,
];
const MEDIUM: TreeColumn[] = [NAME, BUDGET, SPEND, STATUS];
const NARROW: TreeColumn[] = [{ ...NAME, least: 150 }, { ...BUDGET, least: 165 }];

/** The columns that fit into the window; the narrowest show the status beside the name. */
export function useColumns(): { columns: readonly TreeColumn[]; isNarrow: boolean } {
  const isWide = useMedia('(min-width: 1272px)');
  const isNarrow = useMedia('(max-width: 720px)');
  return useMemo(() => ({ columns: isNarrow ? NARROW : isWide ? WIDE : MEDIUM, isNarrow }), [isWide, isNarrow]);
}

/** As CSS has it. */
export function widthsOf(columns: readonly TreeColumn[]): string {
  return columns.map(({ share, least }) => (share === 0 ? `${least}px` : `minmax(${least}px, ${share}fr)`)).join(' ');
}

export function leastWidthOf(columns: readonly TreeColumn[]): number {
  return columns.reduce((sum, column) => sum + column.least, 0);
}
