import { queryOptions } from '@tanstack/react-query';
import { api, ok } from './client';

/** The organisation with its settings: its time zone, and what a credit is worth. */
export const tenantQuery = queryOptions({
  queryKey: ['tenant'],
  queryFn: ({ signal }) => ok(api.GET('/api/cloud/tenant', { signal })),
});
