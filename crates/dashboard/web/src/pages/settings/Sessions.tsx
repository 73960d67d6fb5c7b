import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { api, ok } from '../../api/client';
import type { OpenSession } from '../../api/schema';
import { sessionKey, useSession } from '../../api/session';
import { Button } from '../../parts/Button';
import { DataTable, type Column } from '../../parts/DataTable';
import { Ago, Day, None } from '../../parts/text';
import { announce, complain } from '../../parts/Toast';
import { sessionsQuery } from './queries';
import { Section } from './Section';
import styles from './Settings.module.css';

/** Where one is signed in. */
export function Sessions() {
  const { user } = useSession();
  const client = useQueryClient();
  const sessions = useQuery(sessionsQuery(user.id));
  const end = useMutation({
    mutationFn: (session: OpenSession | 'others') =>
      session === 'others'
        ? ok(api.DELETE('/api/cloud/user/{id}/session', { params: { path: { id: user.id } } }))
        : ok(api.DELETE('/api/cloud/user/{id}/session/{session_id}', { params: { path: { id: user.id, session_id: session.id } } })),
    onSuccess: (_, session) => {
      if (session !== 'others' && session.current) {
        client.setQueryData(sessionKey, null);
        return;
      }
      announce(session === 'others' ? 'All other sessions have ended' : 'The session has ended');
      void client.invalidateQueries({ queryKey: sessionsQuery(user.id).queryKey });
    },
    onError: complain,
  });
  const others = sessions.data?.filter((session) => !session.current).length ?? 0;
  const columns: Column<OpenSession>[] = [
    { id: 'where', name: 'Browser', cell: (session) => <Where session={session} /> },
    { id: 'from', name: 'From', importance: 'wide', cell: (session) => (session.source_ip ? <code>{session.source_ip}</code> : <None />) },
    { id: 'since', name: 'Signed in', cell: (session) => <Ago at={session.created_at} /> },
    { id: 'until', name: 'Ends', importance: 'wide', cell: (session) => <Day at={session.expires_at} /> },
    {
      id: 'end',
      name: 'End',
      align: 'end',
      cell: (session) => (
        <Button size="small" tone="quiet" onPress={() => end.mutate(session)} aria-label={session.current ? 'Sign out here' : `End the session in ${browser(session.user_agent)}`}>
          {session.current ? 'Sign out' : 'End'}
        </Button>
      ),
    },
  ];
  return (
    <Section
      title="Your sessions"
      what="sessions"
      query={sessions}
      padding="none"
      actions={others > 0 ? <Button size="small" onPress={() => end.mutate('others')} isPending={end.isPending}>End all others</Button> : null}
    >
      {(list) => <DataTable caption="Your sessions" columns={columns} rows={list} rowKey={(session: OpenSession) => session.id} />}
    </Section>
  );
}

function Where({ session }: { session: OpenSession }) {
  return (
    <span className={styles.where}>
      <bdi title={session.user_agent ?? undefined}>{browser(session.user_agent)}</bdi>
      {session.current ? <span className={styles.here}>this one</span> : null}
    </span>
  );
}

const BROWSERS: [RegExp, string][] = [[/Edg\//, 'Edge'], [/Firefox\//, 'Firefox'], [/Chrome\//, 'Chrome'], [/Safari\//, 'Safari'], [/curl\//, 'curl']];
const SYSTEMS: [RegExp, string][] = [[/Android/, 'Android'], [/iPhone|iPad/, 'iOS'], [/Windows/, 'Windows'], [/Mac OS X/, 'macOS'], [/Linux/, 'Linux']];

/** `Firefox on Linux`, as far as the browser tells. */
function browser(agent: string | null | undefined): string {
  if (!agent) return 'Unknown browser';
  const find = (known: [RegExp, string][]) => known.find(([pattern]) => pattern.test(agent))?.[1];
  const system = find(SYSTEMS);
  return `${find(BROWSERS) ?? 'Unknown browser'}${system ? ` on ${system}` : ''}`;
}
