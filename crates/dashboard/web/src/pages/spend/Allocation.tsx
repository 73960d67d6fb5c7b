import { useQuery } from '@tanstack/react-query';
import { hierarchy, treemap, treemapSquarify, type HierarchyRectangularNode } from 'd3-hierarchy';
import { Link, useNavigate } from 'react-router';
import { api, ok } from '../../api/client';
import { credits, share } from '../../lib/format';
import { ChartCard } from '../../parts/charts/ChartCard';
import charts from '../../parts/charts/charts.module.css';
import { seriesColor } from '../../parts/charts/series';
import { useWidth } from '../../parts/charts/useWidth';
import type { Column } from '../../parts/DataTable';
import { Card } from '../../parts/Page';
import { Empty, Failed, Loading } from '../../parts/States';
import { CreditAmount, Label } from '../../parts/text';
import { plotOf, rowsOf, type Plot, type PlotRow } from './allocation';
import styles from './SpendPage.module.css';

const COLUMNS: Column<PlotRow>[] = [
  { id: 'name', name: 'Delegation', cell: (row) => <span className={styles.nested} style={{ paddingInlineStart: row.level * 16 }}><Link to={`/delegations/${row.id}`}><Label>{row.label}</Label></Link></span>, csv: (row) => row.path },
  { id: 'budget', name: 'Budget', align: 'end', cell: (row) => <CreditAmount value={row.budget} />, csv: (row) => row.budget },
  { id: 'spent', name: 'Spent', align: 'end', cell: (row) => <CreditAmount value={row.spent} />, csv: (row) => row.spent },
  { id: 'available', name: 'Available', align: 'end', importance: 'wide', cell: (row) => <CreditAmount value={row.available} />, csv: (row) => row.available },
  { id: 'allocation', name: 'Allocation', importance: 'wide', cell: (row) => row.allocation, csv: (row) => row.allocation },
];

/** Who was given how much, as nested areas: three levels from the root down. */
export function Allocation({ root }: { root: string }) {
  const tree = useQuery({
    queryKey: ['report', 'allocation', root],
    queryFn: ({ signal }) => ok(api.GET('/api/cloud/delegation/tree', { params: { query: { root, depth: 3 } }, signal })),
  });
  if (tree.isPending) return <Card title="Allocation"><Loading what="the allocation" /></Card>;
  if (tree.isError) return <Card title="Allocation"><Failed error={tree.error} what="The allocation" onRetry={() => void tree.refetch()} /></Card>;
  const plot = plotOf(tree.data);
  const rows = rowsOf(tree.data);
  return (
    <ChartCard title="Allocation" file="allocation" columns={COLUMNS} rows={plot.size > 0 ? rows : []} rowKey={(row) => row.id} empty={<Empty title="Nothing is delegated yet">Budgets appear here as soon as the first delegation has one.</Empty>}>
      <Treemap plot={plot} summary={`Budgets as nested areas: ${plot.children.map((child) => `${child.label} ${credits(child.size)}`).join(', ')}.`} />
    </ChartCard>
  );
}

const HEIGHT = 380;
const HEAD = 20;

function Treemap({ plot, summary }: { plot: Plot; summary: string }) {
  const { ref, width } = useWidth();
  const navigate = useNavigate();
  const sized = hierarchy(plot).sum((node) => (node.children.length > 0 ? 0 : node.size)).sort((a, b) => (b.value ?? 0) - (a.value ?? 0));
  const layout = treemap<Plot>().size([Math.max(1, width), HEIGHT]).tile(treemapSquarify.ratio(1.4)).paddingInner(2).paddingTop((node) => (node.depth === 0 ? 0 : HEAD)).round(true);
  const root = layout(sized);
  const first = new Map((root.children ?? []).map((child, at) => [child.data.id, at]));
  const open = (id: string) => () => void navigate(`/delegations/${id.replace(/ .*/, '')}`);
  return (
    <div ref={ref} className={styles.treemap}>
      {width > 0 ? (
        <svg width={width} height={HEIGHT} role="img" aria-label={summary} className={charts.svg}>
          {root.descendants().filter((node) => node.depth > 0).map((node) => (
            <Area key={node.data.id} node={node} color={seriesColor(first.get(topOf(node).data.id) ?? 0)} onOpen={open(node.data.id)} />
          ))}
        </svg>
      ) : null}
    </div>
  );
}

function topOf(node: HierarchyRectangularNode<Plot>): HierarchyRectangularNode<Plot> {
  return node.depth <= 1 || !node.parent ? node : topOf(node.parent);
}

function Area({ node, color, onOpen }: { node: HierarchyRectangularNode<Plot>; color: string; onOpen: () => void }) {
  const [width, height] = [node.x1 - node.x0, node.y1 - node.y0];
  const { label, size, spent } = node.data;
  const isLeaf = !node.children;
  const used = size > 0 ? Math.min(1, spent / size) : 0;
  const letters = Math.floor((width - 12) / 7);
  return (
    // An <svg> of its own cuts off what does not fit, whatever a name is made of.
    <svg x={node.x0} y={node.y0} width={width} height={height} onClick={onOpen} className={styles.area}>
      <title>{`${label}: ${credits(size)} credits, ${credits(spent)} spent (${share(spent, size)})`}</title>
      <rect width={width} height={height} rx={3} fill={`color-mix(in srgb, ${color} ${isLeaf ? 24 : 12}%, var(--surface))`} />
      {isLeaf ? <rect y={height * (1 - used)} width={width} height={height * used} rx={3} fill={`color-mix(in srgb, ${color} 48%, var(--surface))`} /> : null}
      {letters >= 4 && height >= 16 ? <text x={7} y={14} className={styles.areaName}>{cut(label, letters)}</text> : null}
      {isLeaf && letters >= 6 && height >= 36 ? <text x={7} y={30} className={styles.areaSize}>{credits(size)}</text> : null}
    </svg>
  );
}

function cut(label: string, letters: number): string {
  const graphemes = [...new Intl.Segmenter().segment(label)].map((part) => part.segment);
  return graphemes.length <= letters ? label : `${graphemes.slice(0, Math.max(1, letters - 1)).join('')}…`;
}
