import { queryOptions, useQueryClient } from '@tanstack/react-query';
import { createContext, useContext } from 'react';
import { api, ok } from './client';
import { asProblem } from './problem';
import type { Role, Session } from './schema';

export const sessionKey = ['session'] as const;

/** Who is signed in; `null` for nobody. */
export const sessionQuery = queryOptions({
  queryKey: sessionKey,
  staleTime: 5 * 60_000,
  queryFn: async ({ signal }): Promise<Session | null> => {
    try {
      return await ok(api.GET('/api/cloud/session', { signal }));
    } catch (error) {
      if (asProblem(error).status === 401) return null;
      throw error;
    }
  },
});

/** Who is signed in, for the pages inside. They keep it while they are being left: the query is `null` before they are gone. */
export const SessionContext = createContext<Session | null>(null);

/** The session, on pages that only signed-in people see. */
export function useSession(): Session {
  const session = useContext(SessionContext);
  if (session === null) throw new Error('this page is shown to signed-in people only');
  return session;
}

/** What the server offers to everybody, known before anybody has signed in. */
export const configQuery = queryOptions({
  queryKey: ['config'],
  staleTime: Infinity,
  queryFn: ({ signal }) => ok(api.GET('/api/cloud/config', { signal })),
});

/** Goes on in another organisation of the same person. */
export function useSwitch(): (tenantId: string) => Promise<void> {
  const client = useQueryClient();
  return async (tenant_id) => {
    const session = await ok(api.POST('/api/cloud/session/switch', { body: { tenant_id } }));
    client.clear();
    client.setQueryData(sessionKey, session);
  };
}

export interface May {
  manageDelegations: boolean;
  managePeople: boolean;
  manageAlerts: boolean;
  manageTenant: boolean;
  closePeriods: boolean;
  reopenPeriods: boolean;
}

/** What a role may do, as `domain::Role` says it; the server decides, the pages only do not offer the rest. */
export function rights(role: string): May {
  const manages = role === 'owner' || role === 'admin';
  return {
    manageDelegations: manages,
    managePeople: manages,
    manageTenant: manages,
    manageAlerts: manages || role === 'finance',
    closePeriods: manages || role === 'finance',
    reopenPeriods: manages,
  };
}

export function useMay(): May {
  return rights(useSession().user.role);
}

/** The roles that somebody of this role may give to others: nobody hands out more than they have. */
export function grantable(role: string): Role[] {
  if (role === 'owner') return ['owner', 'admin', 'finance', 'viewer'];
  return role === 'admin' ? ['admin', 'finance', 'viewer'] : [];
}

export function useSignOut(): () => Promise<void> {
  const client = useQueryClient();
  return async () => {
    await ok(api.DELETE('/api/cloud/session'));
    // Nothing of one person's data stays in memory for the next.
    client.clear();
    client.setQueryData(sessionKey, null);
  };
}
