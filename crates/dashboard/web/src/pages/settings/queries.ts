import { queryOptions } from '@tanstack/react-query';
import { api, ok } from '../../api/client';
import type { Alert } from '../../api/schema';

/** Every alert, oldest first. */
export const alertsQuery = queryOptions({
  queryKey: ['alert'],
  queryFn: async ({ signal }): Promise<Alert[]> => {
    const alerts: Alert[] = [];
    let cursor: string | null | undefined;
    do {
      const query = { limit: 100, ...(cursor ? { cursor } : {}) };
      const page = await ok(api.GET('/api/cloud/alert', { params: { query }, signal }));
      alerts.push(...page.data);
      cursor = page.next_cursor;
    } while (cursor);
    return alerts;
  },
});

export const webhooksQuery = queryOptions({
  queryKey: ['webhook'],
  queryFn: async ({ signal }) => (await ok(api.GET('/api/cloud/webhook', { signal }))).data,
});

export const deliveriesQuery = (id: string) =>
  queryOptions({
    queryKey: ['webhook', id, 'delivery'],
    queryFn: async ({ signal }) => (await ok(api.GET('/api/cloud/webhook/{id}/delivery', { params: { path: { id }, query: { limit: 20 } }, signal }))).data,
    // A delivery that is under way changes within seconds.
    refetchInterval: ({ state }) => (state.data?.some((delivery) => delivery.status === 'pending') ? 2_000 : false),
  });

export const sessionsQuery = (user: string) =>
  queryOptions({
    queryKey: ['sessions', user],
    queryFn: async ({ signal }) => (await ok(api.GET('/api/cloud/user/{id}/session', { params: { path: { id: user } }, signal }))).data,
  });
