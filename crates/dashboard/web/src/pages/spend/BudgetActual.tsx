import { useQuery } from '@tanstack/react-query';
import { api, ok } from '../../api/client';
import type { BudgetLine, BudgetReport } from '../../api/schema';
import { credits, share } from '../../lib/format';
import { BudgetBar } from '../../parts/BudgetBar';
import { ChartCard } from '../../parts/charts/ChartCard';
import type { Column } from '../../parts/DataTable';
import { Card } from '../../parts/Page';
import { Empty, Failed, Loading } from '../../parts/States';
import { CreditAmount, Label, None } from '../../parts/text';
import { nameOf } from './stacks';
import styles from './SpendPage.module.css';

const amount = (of: 'budget_credits' | 'spent_credits' | 'held_credits' | 'remaining_credits' | 'spent_in_range_credits' | 'overcommit_credits', name: string, importance: 'always' | 'wide'): Column<BudgetLine> => ({
  id: of, name, importance, align: 'end',
  cell: (line) => (typeof line[of] === 'number' ? <CreditAmount value={line[of]} /> : <None />),
  csv: (line) => line[of],
});

const COLUMNS: Column<BudgetLine>[] = [
  { id: 'centre', name: 'Cost centre', cell: (line) => <Label>{nameOf(line)}</Label>, csv: (line) => line.cost_center ?? '' },
  amount('budget_credits', 'Budget', 'always'),
  amount('spent_credits', 'Spent', 'always'),
  amount('held_credits', 'Held', 'wide'),
  amount('remaining_credits', 'Remaining', 'always'),
  amount('spent_in_range_credits', 'Spent in this time', 'wide'),
  amount('overcommit_credits', 'Overcommitted', 'wide'),
  { id: 'use', name: 'Used', align: 'end', importance: 'wide', cell: (line) => (typeof line.utilisation === 'number' ? share(line.utilisation, 1) : <None />), csv: (line) => line.utilisation },
];

/** What each cost centre was given, beside what it has spent. */
export function BudgetActual({ from }: { from: string }) {
  const report = useQuery({
    queryKey: ['report', 'budget', from],
    queryFn: async ({ signal }): Promise<BudgetReport> => {
      const report = await ok(api.GET('/api/cloud/report/budget', { params: { query: { from, group_by: 'cost_center' } }, signal }));
      // As text it comes only to those who ask for a table.
      return report as BudgetReport;
    },
  });
  const title = 'Budget against actual';
  if (report.isPending) return <Card title={title}><Loading what="the budgets" /></Card>;
  if (report.isError) return <Card title={title}><Failed error={report.error} what="The budgets" onRetry={() => void report.refetch()} /></Card>;
  const lines = report.data.data;
  const most = Math.max(1, ...lines.map((line) => Math.max(line.budget_credits ?? 0, line.spent_credits)));
  return (
    <ChartCard title={title} file="budget-against-actual" columns={COLUMNS} rows={lines} rowKey={(line) => line.cost_center ?? ''} empty={<Empty title="No budgets yet">Give a delegation a cost centre, and its budget appears here.</Empty>}>
      <ul className={styles.budgets}>
        {lines.map((line) => (
          <li key={line.cost_center ?? ''}>
            <span className={styles.budgetHead}>
              <span className={styles.budgetName}><Label>{nameOf(line)}</Label></span>
              <span className={styles.dim}>
                {credits(line.spent_credits)}
                {typeof line.budget_credits === 'number' ? ` of ${credits(line.budget_credits)} (${share(line.spent_credits + line.held_credits, line.budget_credits)})` : ' spent'}
              </span>
            </span>
            <span className={styles.track} style={{ width: `${Math.max(2, (100 * Math.max(line.budget_credits ?? 0, line.spent_credits)) / most)}%` }}>
              <BudgetBar size="large" of={{ budget_credits: line.budget_credits ?? line.spent_credits, spent_credits: line.spent_credits, held_credits: line.held_credits, reserved_for_children_credits: line.reserved_credits }} />
            </span>
          </li>
        ))}
      </ul>
    </ChartCard>
  );
}
