import { useInfiniteQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { Link } from 'react-router';
import { api, ok } from '../../api/client';
import type { LedgerEntry } from '../../api/schema';
import { Button } from '../../parts/Button';
import { CsvButton, DataTable, type Column } from '../../parts/DataTable';
import { Select } from '../../parts/Field';
import { Empty, Failed, Loading } from '../../parts/States';
import { Ago, CreditAmount, Label, None } from '../../parts/text';
import { DelegationName } from './DelegationName';
import styles from './DelegationPage.module.css';

const RANGES = [
  { id: '1', name: 'Last 24 hours' },
  { id: '7', name: 'Last 7 days' },
  { id: '30', name: 'Last 30 days' },
  { id: 'all', name: 'From the beginning' },
] as const;

type Range = (typeof RANGES)[number]['id'];

const KINDS: Record<LedgerEntry['kind'], string> = { spend: 'Spend', refund: 'Refund', adjustment: 'Adjustment' };

const COLUMNS: Column<LedgerEntry>[] = [
  { id: 'at', name: 'When', cell: (entry) => <Ago at={entry.recorded_at} />, csv: (entry) => entry.recorded_at },
  { id: 'kind', name: 'Kind', cell: (entry) => KINDS[entry.kind], csv: (entry) => entry.kind },
  { id: 'by', name: 'Delegation', cell: (entry) => <Link to={`/delegations/${entry.delegation_id}`}><DelegationName id={entry.delegation_id} /></Link>, csv: (entry) => entry.delegation_id },
  { id: 'what', name: 'Description', importance: 'wide', cell: (entry) => (entry.description ? <Label>{entry.description}</Label> : <None />), csv: (entry) => entry.description },
  { id: 'centre', name: 'Cost centre', importance: 'wide', cell: (entry) => (entry.cost_center ? <Label>{entry.cost_center}</Label> : <None />), csv: (entry) => entry.cost_center },
  { id: 'amount', name: 'Credits', align: 'end', cell: (entry) => <>{entry.kind === 'refund' ? '−' : ''}<CreditAmount value={entry.amount_credits} /></>, csv: (entry) => (entry.kind === 'refund' ? -entry.amount_credits : entry.amount_credits) },
  { id: 'id', name: 'Entry', importance: 'wide', cell: (entry) => <code className={styles.id}>{entry.id}</code>, csv: (entry) => entry.id },
];

/** What the delegation and everything below it has spent, entry by entry. */
export function Ledger({ id }: { id: string }) {
  const [range, setRange] = useState<Range>('7');
  const entries = useInfiniteQuery({
    queryKey: ['ledger', id, range],
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam, signal }) => {
      const from = range === 'all' ? {} : { from: new Date(Date.now() - Number(range) * 86_400_000).toISOString() };
      const parameters = { delegation_id: id, order: 'newest' as const, limit: 50, ...from, ...(pageParam ? { cursor: pageParam } : {}) };
      return ok(api.GET('/api/cloud/ledger', { params: { query: parameters }, signal }));
    },
    getNextPageParam: (page) => page.next_cursor ?? undefined,
  });
  const rows = entries.data?.pages.flatMap((page) => page.data) ?? [];
  return (
    <>
      <div className={styles.tools}>
        <Select look="filter" label="Time" value={range} options={RANGES} onChange={setRange} />
        <CsvButton name="ledger" columns={COLUMNS} rows={rows} />
      </div>
      {entries.isPending ? <Loading what="the ledger" /> : null}
      {entries.isError ? <Failed error={entries.error} what="The ledger" onRetry={() => void entries.refetch()} /> : null}
      {entries.isSuccess ? (
        <DataTable caption="Ledger" columns={COLUMNS} rows={rows} rowKey={(entry) => entry.id} empty={<Empty title="No entries">Nothing was spent in this time.</Empty>} />
      ) : null}
      {entries.hasNextPage ? (
        <div className={styles.more}>
          <Button onPress={() => void entries.fetchNextPage()} isPending={entries.isFetchingNextPage}>Show more</Button>
        </div>
      ) : null}
    </>
  );
}
