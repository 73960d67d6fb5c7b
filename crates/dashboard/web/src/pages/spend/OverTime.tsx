import type { SpendReport, SpendReportLine } from '../../api/schema';
import { credits } from '../../lib/format';
import { ChartCard } from '../../parts/charts/ChartCard';
import { StackedBars } from '../../parts/charts/StackedBars';
import type { Column } from '../../parts/DataTable';
import { Empty } from '../../parts/States';
import { CreditAmount, Label } from '../../parts/text';
import { periodsOf, type Range } from './ranges';
import { nameOf, stacksOf } from './stacks';

const COLUMNS: Column<SpendReportLine>[] = [
  { id: 'period', name: 'Period', cell: (line) => line.period, csv: (line) => line.period },
  { id: 'centre', name: 'Cost centre', cell: (line) => <Label>{nameOf(line)}</Label>, csv: (line) => line.cost_center ?? '' },
  { id: 'gross', name: 'Debits', align: 'end', importance: 'wide', cell: (line) => <CreditAmount value={line.gross_credits} />, csv: (line) => line.gross_credits },
  { id: 'refunded', name: 'Refunds', align: 'end', importance: 'wide', cell: (line) => <CreditAmount value={line.refunded_credits} />, csv: (line) => line.refunded_credits },
  { id: 'spent', name: 'Spent', align: 'end', cell: (line) => <CreditAmount value={line.spent_credits} />, csv: (line) => line.spent_credits },
  { id: 'entries', name: 'Entries', align: 'end', importance: 'wide', cell: (line) => <CreditAmount value={line.entries} />, csv: (line) => line.entries },
];

/** What each cost centre spent, period by period. */
export function OverTime({ report, range }: { report: SpendReport; range: Range }) {
  const { series, buckets } = stacksOf(report.data, periodsOf(report, range.interval));
  const summary = `Spend by cost centre, ${range.interval === 'day' ? 'day by day' : 'month by month'}: ${credits(report.total.spent_credits)} credits in all.`;
  return (
    <ChartCard
      title="Spend by cost centre" file="spend-by-cost-centre" columns={COLUMNS} rows={report.data} rowKey={(line) => `${line.period} ${line.cost_center}`}
      empty={<Empty title="Nothing was spent in this time">What agents spend appears here as they spend it.</Empty>}
    >
      <StackedBars buckets={buckets} series={series} summary={summary} />
    </ChartCard>
  );
}
