import { queryOptions } from '@tanstack/react-query';
import { api, ok } from './client';
import type { Member, OpenInvitation } from './schema';

/** More members than this are not asked for: nobody looks through more. */
const MOST = 1_000;

/** Everybody in the organisation, oldest first. */
export const membersQuery = queryOptions({
  queryKey: ['user'],
  staleTime: 60_000,
  queryFn: async ({ signal }): Promise<Member[]> => {
    const members: Member[] = [];
    let cursor: string | null | undefined;
    do {
      const query = { limit: 100, ...(cursor ? { cursor } : {}) };
      const page = await ok(api.GET('/api/cloud/user', { params: { query }, signal }));
      members.push(...page.data);
      cursor = page.next_cursor;
    } while (cursor && members.length < MOST);
    return members;
  },
});

/** The invitations that nobody has accepted yet, newest first. Asked for anew with the members. */
export const invitationsQuery = queryOptions({
  queryKey: ['user', 'invitations'],
  staleTime: 60_000,
  queryFn: async ({ signal }): Promise<OpenInvitation[]> => (await ok(api.GET('/api/cloud/invite', { signal }))).data,
});
