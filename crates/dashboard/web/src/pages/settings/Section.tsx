import type { UseQueryResult } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { Card } from '../../parts/Page';
import { Failed, Loading } from '../../parts/States';

interface SectionProps<T> {
  title: string;
  what: string;
  query: UseQueryResult<T>;
  actions?: ReactNode;
  padding?: 'yes' | 'none';
  children: (data: T) => ReactNode;
}

/** A part of the settings that shows what the server says, or why it cannot. */
export function Section<T>({ title, what, query, actions, padding = 'yes', children }: SectionProps<T>) {
  if (query.data !== undefined) return <Card title={title} actions={actions} padding={padding}>{children(query.data)}</Card>;
  return (
    <Card title={title} padding="none">
      {query.isPending ? <Loading what={what} lines={3} /> : null}
      {query.isError ? <Failed error={query.error} what={title} onRetry={() => void query.refetch()} /> : null}
    </Card>
  );
}
