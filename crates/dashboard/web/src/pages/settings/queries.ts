import { queryOptions } from '@tanstack/react-query';
import { pending, query } from '../../api/client';
import type { Page, TenantSettings } from '../../api/pending';

export interface Alert {
  id: string;
  delegation_id: string;
  delegation_label: string;
  kind: 'budget' | 'limit' | 'spend';
  percent: number | null;
  credits: number | null;
  per: Period | null;
  current_credits: number | null;
  of_credits: number | null;
  last_fired_at: string | null;
}

export type Period = 'hour' | 'day' | 'week' | 'month';

export interface NewAlert {
  delegation_id?: string;
  kind: Alert['kind'];
  percent?: number;
  credits?: number;
  per?: Period;
}

export interface Webhook {
  id: string;
  url: string;
  events: string[];
  description: string | null;
  created_at: string;
  /** Only when it was just made. */
  secret?: string;
  last_delivery: { at: string; status: DeliveryStatus } | null;
}

export type DeliveryStatus = 'pending' | 'delivered' | 'dead';

export interface Delivery {
  id: string;
  event: string;
  status: DeliveryStatus;
  attempts: number;
  created_at: string;
  last_attempt_at: string | null;
  next_attempt_at: string | null;
  response_status: number | null;
  error: string | null;
}

export interface UserSession {
  id: string;
  current: boolean;
  created_at: string;
  expires_at: string;
  source_ip: string | null;
  user_agent: string | null;
}

export const tenantQuery = queryOptions({
  queryKey: ['tenant'],
  queryFn: ({ signal }) => pending<TenantSettings>('GET', '/tenant', undefined, signal),
});

export const alertsQuery = queryOptions({
  queryKey: ['alert'],
  queryFn: ({ signal }) => everything<Alert>('/alert', signal),
});

export const webhooksQuery = queryOptions({
  queryKey: ['webhook'],
  queryFn: async ({ signal }) => (await pending<Page<Webhook>>('GET', '/webhook', undefined, signal)).data,
});

export const deliveriesQuery = (id: string) =>
  queryOptions({
    queryKey: ['webhook', id, 'delivery'],
    queryFn: async ({ signal }) => (await pending<Page<Delivery>>('GET', `/webhook/${id}/delivery${query({ limit: 20 })}`, undefined, signal)).data,
    // A delivery that is under way changes within seconds.
    refetchInterval: ({ state }) => (state.data?.some((delivery) => delivery.status === 'pending') ? 2_000 : false),
  });

export const sessionsQuery = (user: string) =>
  queryOptions({
    queryKey: ['sessions', user],
    queryFn: async ({ signal }) => (await pending<Page<UserSession>>('GET', `/user/${user}/session`, undefined, signal)).data,
  });

/** Every page of a short list. */
async function everything<T>(path: string, signal: AbortSignal): Promise<T[]> {
  const all: T[] = [];
  let cursor: string | null | undefined;
  do {
    const page: Page<T> = await pending('GET', `${path}${query({ limit: 100, cursor: cursor ?? undefined })}`, undefined, signal);
    all.push(...page.data);
    cursor = page.next_cursor;
  } while (cursor);
  return all;
}
