import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useSearchParams } from 'react-router';
import { api, ok } from '../../api/client';
import type { SpendReport } from '../../api/schema';
import { useSession } from '../../api/session';
import { tenantQuery } from '../../api/tenant';
import { credits, moment } from '../../lib/format';
import { Select } from '../../parts/Field';
import { Card, Fact, Facts, Page } from '../../parts/Page';
import { Failed, Loading } from '../../parts/States';
import { Allocation } from './Allocation';
import { BudgetActual } from './BudgetActual';
import { Months } from './Months';
import { OverTime } from './OverTime';
import { RANGES, rangeOf, type Range } from './ranges';
import styles from './SpendPage.module.css';

export function SpendPage() {
  const [search, setSearch] = useSearchParams();
  const chosen = RANGES.find((known) => known.id === search.get('range'))?.id ?? '30d';
  const tenant = useQuery(tenantQuery);
  return (
    <Page
      title="Spend"
      lead="Each debit counted once, for the cost centre that it was stamped with."
      actions={<Select look="filter" label="Time" value={chosen} options={RANGES.map(({ id, name }) => ({ id, name: `Last ${name}` }))} onChange={(id) => setSearch({ range: id }, { replace: true })} />}
    >
      {tenant.isPending ? <Card><Loading what="the report" /></Card> : null}
      {tenant.isError ? <Card><Failed error={tenant.error} what="The report" onRetry={() => void tenant.refetch()} /></Card> : null}
      {tenant.data ? <Reports range={rangeOf(chosen, new Date(), tenant.data.time_zone)} /> : null}
    </Page>
  );
}

function Reports({ range }: { range: Range }) {
  const root = useSession().tenant.root_delegation_id;
  const report = useQuery({
    queryKey: ['report', 'spend', range],
    placeholderData: keepPreviousData,
    queryFn: async ({ signal }): Promise<SpendReport> => {
      const parameters = { from: range.from, interval: range.interval, group_by: 'cost_center' };
      const report = await ok(api.GET('/api/cloud/report/spend', { params: { query: parameters }, signal }));
      // As text it comes only to those who ask for a table.
      return report as SpendReport;
    },
  });
  return (
    <>
      {report.isPending ? <Card><Loading what="the report" /></Card> : null}
      {report.isError ? <Card><Failed error={report.error} what="The report" onRetry={() => void report.refetch()} /></Card> : null}
      {report.data ? (
        <>
          <Card>
            <Facts>
              <Fact name="Spent"><span className={styles.figure}>{credits(report.data.total.spent_credits)}</span></Fact>
              <Fact name="Refunded"><span className={styles.figure}>{credits(report.data.total.refunded_credits)}</span></Fact>
              <Fact name="Without a cost centre"><span className={styles.figure}>{credits(report.data.unallocated_credits)}</span></Fact>
              <Fact name="Ledger entries"><span className={styles.figure}>{credits(report.data.total.entries)}</span></Fact>
            </Facts>
            <p className={styles.dim}>
              {report.data.data_through ? `Complete up to ${moment(report.data.data_through, report.data.time_zone)}.` : 'The ledger is empty.'} Days and months begin in the time zone {report.data.time_zone}.
            </p>
          </Card>
          <OverTime report={report.data} range={range} />
        </>
      ) : null}
      <div className={styles.columns}>
        <Allocation root={root} />
        <BudgetActual from={range.from} />
      </div>
      <Months />
    </>
  );
}
