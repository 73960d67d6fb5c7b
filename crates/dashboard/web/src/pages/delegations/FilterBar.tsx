import { useQueryClient } from '@tanstack/react-query';
import { Input, SearchField } from 'react-aria-components';
import { isFiltered, type Filters, type Node } from '../../api/delegations';
import { Button } from '../../parts/Button';
import { Select, type Option } from '../../parts/Field';
import { CrossIcon, SearchIcon } from '../../parts/icons';
import { STATUSES } from './filters';
import styles from './DelegationsPage.module.css';

const NOTHING: Filters = { q: '', status: '', costCenter: '', department: '' };

const STATUS_OPTIONS: Option<string>[] = [
  { id: '', name: 'Any status' },
  ...STATUSES.map((status) => ({ id: status, name: status.charAt(0).toUpperCase() + status.slice(1) })),
];

export function FilterBar({ filters, onChange }: { filters: Filters; onChange: (filters: Filters) => void }) {
  const set = (part: Partial<Filters>) => onChange({ ...filters, ...part });
  return (
    <div className={styles.bar} role="search" aria-label="Filter delegations">
      <SearchField aria-label="Search by name" value={filters.q} onChange={(q) => set({ q })} className={styles.search ?? ''}>
        <SearchIcon />
        <Input className={styles.input ?? ''} placeholder="Search by name" maxLength={256} />
      </SearchField>
      <Select look="filter" label="Status" value={filters.status} options={STATUS_OPTIONS} onChange={(status) => set({ status: STATUSES.find((known) => known === status) ?? '' })} />
      <Select look="filter" label="Cost centre" value={filters.costCenter} options={useKnown('cost_center', 'Any cost centre', filters.costCenter)} onChange={(costCenter) => set({ costCenter })} />
      <Select look="filter" label="Department" value={filters.department} options={useKnown('department', 'Any department', filters.department)} onChange={(department) => set({ department })} />
      {isFiltered(filters) ? <Button tone="quiet" icon={<CrossIcon />} onPress={() => onChange(NOTHING)}>Clear</Button> : null}
    </div>
  );
}

/** The values that the nodes loaded so far have, and the one that is chosen. */
function useKnown(of: 'cost_center' | 'department', any: string, chosen: string): Option<string>[] {
  const client = useQueryClient();
  const nodes = client.getQueriesData<Node>({ queryKey: ['delegation'] });
  const values = new Set(nodes.map(([, node]) => node?.[of]).filter((value) => typeof value === 'string'));
  if (chosen !== '') values.add(chosen);
  return [{ id: '', name: any }, ...[...values].sort((a, b) => a.localeCompare(b)).map((value) => ({ id: value, name: value }))];
}
