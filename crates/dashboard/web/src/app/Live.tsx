import { useQueryClient } from '@tanstack/react-query';
import { createContext, useContext, useEffect, useState, type ReactNode } from 'react';
import { apply, follow, type LiveState } from '../api/live';
import { useOnline } from '../lib/hooks';
import styles from './Live.module.css';

const LiveContext = createContext<LiveState>('connecting');

/** Follows the tenant's events while somebody is signed in. */
export function LiveProvider({ children }: { children: ReactNode }) {
  const client = useQueryClient();
  const [state, setState] = useState<LiveState>('connecting');
  useEffect(() => follow((event) => apply(client, event), setState), [client]);
  return <LiveContext value={state}>{children}</LiveContext>;
}

const WORDS: Record<LiveState, [string, string]> = {
  connecting: ['Connecting', 'Connecting to live updates'],
  live: ['Live', 'Changes appear as they happen'],
  stale: ['Stale', 'No live updates: what is shown may be out of date. Trying to reconnect'],
};

/** Whether what is on screen is up to date. */
export function LiveBadge() {
  const state = useContext(LiveContext);
  const online = useOnline();
  const shown = online ? state : 'stale';
  const [word, title] = WORDS[shown];
  return (
    <span className={`${styles.badge} ${styles[shown]}`} role="status" title={title} data-testid="live">
      <span className={styles.dot} aria-hidden="true" />
      {online ? word : 'Offline'}
    </span>
  );
}
