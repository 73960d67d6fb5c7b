import { Button } from '../../parts/Button';
import { Select } from '../../parts/Field';
import { CrossIcon } from '../../parts/icons';
import { Name } from './names';
import styles from './Activity.module.css';

/** What the list is narrowed to, in the words of the address and of the server. */
export interface AuditFilters {
  action?: string;
  actor?: string;
  target?: string;
}

const THINGS = [
  { id: 'all', name: 'Everything' },
  { id: 'delegation', name: 'Delegations' },
  { id: 'delegation.create', name: '  Created' },
  { id: 'delegation.update', name: '  Changed' },
  { id: 'delegation.freeze', name: '  Frozen' },
  { id: 'delegation.unfreeze', name: '  Unfrozen' },
  { id: 'delegation.revoke', name: '  Revoked' },
  { id: 'delegation.rotate', name: '  Token rotated' },
  { id: 'spend', name: 'Refunds' },
  { id: 'root', name: 'Root token' },
  { id: 'user', name: 'People' },
  { id: 'session', name: 'Sessions' },
  { id: 'tenant', name: 'Organisation' },
  { id: 'alert', name: 'Alerts' },
  { id: 'webhook', name: 'Webhooks' },
] as const;

type Thing = (typeof THINGS)[number]['id'];

export function filtersOf(search: URLSearchParams): AuditFilters {
  const filters: AuditFilters = {};
  for (const name of ['action', 'actor', 'target'] as const) {
    const value = search.get(name);
    if (value) filters[name] = value;
  }
  return filters;
}

export function isNarrowed(filters: AuditFilters): boolean {
  return Object.keys(filters).length > 0;
}

export function Filters({ filters, onChange }: { filters: AuditFilters; onChange: (search: Record<string, string>) => void }) {
  const set = (name: keyof AuditFilters, value: string | undefined) => {
    const { [name]: _, ...rest } = filters;
    onChange({ ...rest, ...(value ? { [name]: value } : {}) });
  };
  const known = THINGS.find((thing) => thing.id === filters.action)?.id ?? 'all';
  return (
    <div className={styles.filters} role="search" aria-label="Filter the activity">
      <Select label="What was done" look="filter" value={known} options={THINGS} onChange={(thing: Thing) => set('action', thing === 'all' ? undefined : thing)} />
      {filters.actor ? <Chip what="By" id={filters.actor} onRemove={() => set('actor', undefined)} /> : null}
      {filters.target ? <Chip what="On" id={filters.target} onRemove={() => set('target', undefined)} /> : null}
    </div>
  );
}

function Chip({ what, id, onRemove }: { what: string; id: string; onRemove: () => void }) {
  return (
    <span className={styles.chip}>
      {what} <Name id={id} look="plain" />
      <Button tone="quiet" size="small" icon={<CrossIcon size={12} />} aria-label={`Remove the filter “${what}”`} onPress={onRemove} />
    </span>
  );
}
