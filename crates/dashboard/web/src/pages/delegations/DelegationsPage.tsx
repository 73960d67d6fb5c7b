import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useMemo } from 'react';
import { useSearchParams } from 'react-router';
import { isFiltered, treeQuery, type Filters } from '../../api/delegations';
import { useMay, useSession } from '../../api/session';
import { useSettled } from '../../lib/hooks';
import { count } from '../../lib/format';
import { ButtonLink } from '../../parts/Button';
import { PlusIcon } from '../../parts/icons';
import { Page } from '../../parts/Page';
import { Empty, Failed, Loading } from '../../parts/States';
import { FilterBar } from './FilterBar';
import { filtersOf, searchOf } from './filters';
import { FirstRun } from './FirstRun';
import { Totals } from './Totals';
import { TreeTable } from './TreeTable';
import { useTree } from './useTree';
import styles from './DelegationsPage.module.css';

export function DelegationsPage() {
  const client = useQueryClient();
  const root = useSession().tenant.root_delegation_id;
  const may = useMay();
  const [search, setSearch] = useSearchParams();
  const filters = filtersOf(search);
  const tree = useQuery(treeQuery(client, root));

  return (
    <Page
      title="Delegation & Budgets"
      height="fill"
      lead="Who may spend how much, down to the last agent."
      actions={may.manageDelegations ? <ButtonLink to="/delegations/new" tone="primary" icon={<PlusIcon />}>New delegation</ButtonLink> : null}
    >
      {tree.isSuccess ? <FirstRun root={root} /> : null}
      {tree.isSuccess ? <Totals id={root} /> : null}
      <FilterBar filters={filters} onChange={(next) => setSearch(searchOf(next), { replace: true })} />
      <Tree root={root} filters={filters} />
    </Page>
  );
}

/** What the filters leave of the tree. Opening a level redraws this and nothing around it. */
function Tree({ root, filters }: { root: string; filters: Filters }) {
  const view = useTree(root, useSettledFilters(filters));
  const { tree, found, matches, top, filtered } = view;
  const matching = useMemo(() => (matches ? new Set(matches.ids) : undefined), [matches]);
  return (
    <>
      <p className={styles.found} role="status">
        {matches && isFiltered(filters) ? `${count(matches.ids.length, 'delegation')} found${matches.more ? ': these are the first, narrow the filters to see the others' : ''}` : ''}
      </p>
      {tree.isPending || (filtered && found.isPending) ? <Loading what="the delegations" lines={8} /> : null}
      {tree.isError ? <Failed error={tree.error} what="The tree" onRetry={() => void tree.refetch()} /> : null}
      {filtered && found.isError ? <Failed error={found.error} what="The search's result" onRetry={() => void found.refetch()} /> : null}
      {matches?.ids.length === 0 ? <Empty title="No delegation fits">Try fewer filters or another part of the name.</Empty> : null}
      {top && (!filtered || (matches && matches.ids.length > 0)) ? (
        <TreeTable top={top} expanded={view.expanded} onExpandedChange={view.onExpandedChange} matching={matching} />
      ) : null}
    </>
  );
}

/** The search text settles before it is searched for; everything else counts at once. */
function useSettledFilters(filters: Filters): Filters {
  const q = useSettled(filters.q.trim(), 200);
  return { ...filters, q };
}
