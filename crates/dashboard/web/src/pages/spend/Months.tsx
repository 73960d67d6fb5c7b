import { keepPreviousData, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api, ok } from '../../api/client';
import type { AccountingPeriod } from '../../api/schema';
import { useMay } from '../../api/session';
import { credits, date, money, monthName } from '../../lib/format';
import { Button, DownloadLink } from '../../parts/Button';
import { DataTable, type Column } from '../../parts/DataTable';
import { DownloadIcon } from '../../parts/icons';
import { Card } from '../../parts/Page';
import { Failed, Loading } from '../../parts/States';
import { CreditAmount } from '../../parts/text';
import { ChangeMonth, type Change } from './ChangeMonth';
import styles from './SpendPage.module.css';

/** As many months as there are at first; the others come when they are asked for. */
const SHOWN = 13;

const monthsKey = ['months'] as const;

/** What each month came to, for finance to close and to export. */
export function Months() {
  const may = useMay();
  const client = useQueryClient();
  const [limit, setLimit] = useState(SHOWN);
  const [changing, setChanging] = useState<{ month: AccountingPeriod; change: Change } | null>(null);
  const months = useQuery({
    queryKey: [...monthsKey, limit],
    placeholderData: keepPreviousData,
    queryFn: ({ signal }) => ok(api.GET('/api/cloud/period', { params: { query: { order: 'newest', limit } }, signal })),
  });
  const changes = (month: AccountingPeriod): Change | null => {
    if (month.status === 'closed') return may.reopenPeriods ? 'reopen' : null;
    return month.over && may.closePeriods ? 'close' : null;
  };
  const columns: Column<AccountingPeriod>[] = [
    { id: 'month', name: 'Month', cell: (month) => monthName(month.month) },
    { id: 'spent', name: 'Spent', align: 'end', cell: (month) => <CreditAmount value={month.spent_credits} /> },
    { id: 'cost', name: 'Cost', align: 'end', importance: 'wide', cell: (month) => money(month.cost, month.currency) },
    { id: 'entries', name: 'Entries', align: 'end', importance: 'wide', cell: (month) => credits(month.entries) },
    { id: 'state', name: 'State', cell: (month) => stateOf(month) },
    {
      id: 'act', name: 'Actions', align: 'end',
      cell: (month) => {
        const change = changes(month);
        return (
          <span className={styles.acts}>
            {change ? <Button size="small" tone="quiet" onPress={() => setChanging({ month, change })} aria-label={`${WORDS[change]} ${monthName(month.month)}`}>{WORDS[change]}</Button> : null}
            <DownloadLink size="small" tone="quiet" icon={<DownloadIcon />} href={`/api/cloud/export/focus?period=${month.month}`} label={`Download ${monthName(month.month)} in FOCUS`}>FOCUS</DownloadLink>
          </span>
        );
      },
    },
  ];
  if (months.isPending) return <Card title="Months"><Loading what="the months" /></Card>;
  if (months.isError) return <Card title="Months"><Failed error={months.error} what="The months" onRetry={() => void months.refetch()} /></Card>;
  return (
    <Card title="Months" padding="none">
      <DataTable caption="Months" columns={columns} rows={months.data.data} rowKey={(month) => month.month} />
      {months.data.next_cursor && limit < 100 ? <p className={styles.more}><Button size="small" onPress={() => setLimit(100)}>Earlier months</Button></p> : null}
      {changing ? <ChangeMonth {...changing} onDone={() => void client.invalidateQueries({ queryKey: monthsKey })} onClose={() => setChanging(null)} /> : null}
    </Card>
  );
}

const WORDS: Record<Change, string> = { close: 'Close', reopen: 'Open again' };

function stateOf(month: AccountingPeriod): string {
  if (month.closed_at) return `Closed on ${date(month.closed_at)}`;
  return month.over ? 'Open' : 'Current';
}
