import { useInfiniteQuery } from '@tanstack/react-query';
import { Link } from 'react-router';
import { api, ok } from '../../api/client';
import type { ListedHold } from '../../api/schema';
import { Button } from '../../parts/Button';
import { DataTable, type Column } from '../../parts/DataTable';
import { Empty, Failed, Loading } from '../../parts/States';
import { Ago, CreditAmount, Label } from '../../parts/text';
import styles from './DelegationPage.module.css';

const COLUMNS: Column<ListedHold>[] = [
  { id: 'made', name: 'Made', cell: (hold) => <Ago at={hold.created_at} /> },
  { id: 'by', name: 'Delegation', cell: (hold) => <Link to={`/delegations/${hold.delegation_id}`}><Label>{hold.delegation_label}</Label></Link> },
  { id: 'status', name: 'Status', cell: (hold) => hold.status.charAt(0).toUpperCase() + hold.status.slice(1) },
  { id: 'expires', name: 'Expires', cell: (hold) => <Ago at={hold.expires_at} /> },
  { id: 'amount', name: 'Credits', align: 'end', cell: (hold) => <CreditAmount value={hold.amount_credits} /> },
  { id: 'id', name: 'Hold', importance: 'wide', cell: (hold) => <code className={styles.id}>{hold.id}</code> },
];

/** Credits that are spoken for but not spent. */
export function Holds({ id }: { id: string }) {
  const holds = useInfiniteQuery({
    queryKey: ['hold', id],
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam, signal }) => {
      const parameters = { delegation_id: id, limit: 50, ...(pageParam ? { cursor: pageParam } : {}) };
      return ok(api.GET('/api/cloud/hold', { params: { query: parameters }, signal }));
    },
    getNextPageParam: (page) => page.next_cursor ?? undefined,
  });
  if (holds.isPending) return <Loading what="the holds" />;
  if (holds.isError) return <Failed error={holds.error} what="The holds" onRetry={() => void holds.refetch()} />;
  const rows = holds.data.pages.flatMap((page) => page.data);
  return (
    <>
      <DataTable caption="Holds" columns={COLUMNS} rows={rows} rowKey={(hold) => hold.id} empty={<Empty title="No holds">A spender may hold credits before the work, and capture or release them after it.</Empty>} />
      {holds.hasNextPage ? <div className={styles.more}><Button onPress={() => void holds.fetchNextPage()} isPending={holds.isFetchingNextPage}>Show more</Button></div> : null}
    </>
  );
}
