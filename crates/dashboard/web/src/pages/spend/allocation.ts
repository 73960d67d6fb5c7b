import type { DelegationTree } from '../../api/schema';

/** A delegation as a part of the one above it. */
export interface Plot {
  id: string;
  label: string;
  /** Credits that the area stands for. */
  size: number;
  spent: number;
  children: Plot[];
}

/** One line of the table that says the same. */
export interface PlotRow {
  id: string;
  label: string;
  path: string;
  level: number;
  budget: number | null;
  spent: number;
  available: number | null;
  allocation: string;
}

/** The live part of the tree as nested areas. What a node has not given away is an area of its own. */
export function plotOf(node: DelegationTree): Plot {
  const children = (node.children ?? []).filter(isLive).map(plotOf);
  const given = children.reduce((sum, child) => sum + child.size, 0);
  const budget = node.budget_credits ?? given;
  const kept = budget - given;
  if (children.length > 0 && kept > 0) children.push({ id: `${node.id} kept`, label: 'Not given away', size: kept, spent: Math.min(node.own_spent_credits, kept), children: [] });
  // Cap children may have been promised more than there is: the area is then what was promised.
  return { id: node.id, label: node.label, size: Math.max(budget, given), spent: node.spent_credits, children };
}

export function rowsOf(node: DelegationTree, above: string[] = []): PlotRow[] {
  const path = [...above, node.label];
  const row: PlotRow = {
    id: node.id,
    label: node.label,
    path: path.join(' / '),
    level: above.length,
    budget: node.budget_credits ?? null,
    spent: node.spent_credits,
    available: node.available_credits ?? null,
    allocation: node.allocation,
  };
  return [row, ...(node.children ?? []).filter(isLive).flatMap((child) => rowsOf(child, path))];
}

function isLive(node: DelegationTree): boolean {
  return node.status !== 'revoked' && node.status !== 'expired';
}
