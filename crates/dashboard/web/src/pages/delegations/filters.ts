import type { Filters } from '../../api/delegations';
import type { Status } from '../../api/schema';

export const STATUSES: readonly Status[] = ['active', 'exhausted', 'frozen', 'expired', 'revoked'];

/** The filters that an address says; what it says wrongly is as if it said nothing. */
export function filtersOf(search: URLSearchParams): Filters {
  const status = search.get('status');
  return {
    q: search.get('q') ?? '',
    status: STATUSES.find((known) => known === status) ?? '',
    costCenter: search.get('cost_center') ?? '',
    department: search.get('department') ?? '',
  };
}

/** The same as a query, without what is not filtered by. */
export function searchOf(filters: Filters): URLSearchParams {
  const search = new URLSearchParams();
  if (filters.q !== '') search.set('q', filters.q);
  if (filters.status !== '') search.set('status', filters.status);
  if (filters.costCenter !== '') search.set('cost_center', filters.costCenter);
  if (filters.department !== '') search.set('department', filters.department);
  return search;
}
