import { useInfiniteQuery } from '@tanstack/react-query';
import { useSearchParams } from 'react-router';
import { api, ok } from '../../api/client';
import type { AuditEntry } from '../../api/schema';
import { Button } from '../../parts/Button';
import { CsvButton, DataTable } from '../../parts/DataTable';
import { Card, Page } from '../../parts/Page';
import { Empty, Failed, Loading } from '../../parts/States';
import styles from './Activity.module.css';
import { useColumns } from './columns';
import { Filters, filtersOf, isNarrowed } from './Filters';

const PAGE = 50;

/** Who did what, newest first. */
export function ActivityPage() {
  const [search, setSearch] = useSearchParams();
  const filters = filtersOf(search);
  const log = useInfiniteQuery({
    queryKey: ['audit', filters],
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam, signal }) => {
      const query = { order: 'newest' as const, limit: PAGE, ...filters, ...(pageParam ? { cursor: pageParam } : {}) };
      return ok(api.GET('/api/cloud/audit', { params: { query }, signal }));
    },
    getNextPageParam: (page) => page.next_cursor ?? undefined,
  });
  const entries = log.data?.pages.flatMap((page) => page.data) ?? [];
  const columns = useColumns();
  return (
    <Page title="Activity" lead="Who did what, when and from where. Entries can be neither changed nor deleted.">
      <div className={styles.bar}>
        <Filters filters={filters} onChange={setSearch} />
        <CsvButton name="activity" columns={columns} rows={entries} />
      </div>
      <Card padding="none">
        {log.isPending ? <Loading what="the activity" /> : null}
        {log.isError && entries.length === 0 ? <Failed error={log.error} what="The activity" onRetry={() => void log.refetch()} /> : null}
        {log.isSuccess || entries.length > 0 ? (
          <DataTable
            caption="Activity, newest first"
            columns={columns}
            rows={entries}
            rowKey={(entry: AuditEntry) => entry.id}
            empty={<Nothing narrowed={isNarrowed(filters)} more={log.hasNextPage} onClear={() => setSearch({})} />}
          />
        ) : null}
      </Card>
      {log.hasNextPage ? (
        <Button onPress={() => void log.fetchNextPage()} isPending={log.isFetchingNextPage}>Show older entries</Button>
      ) : null}
    </Page>
  );
}

function Nothing({ narrowed, more, onClear }: { narrowed: boolean; more: boolean; onClear: () => void }) {
  if (!narrowed) return <Empty title="Nothing has happened yet">What people and tokens change will be listed here.</Empty>;
  return (
    <Empty title={more ? 'Nothing among the newest entries' : 'Nothing fits these filters'} action={<Button onPress={onClear}>Clear the filters</Button>}>
      {more ? 'There are older ones to look through.' : 'Everything that was ever done is kept, so it did not happen.'}
    </Empty>
  );
}
