import type { ReactNode } from 'react';
import { Mark } from '../../app/Mark';
import { usePageTitle } from '../../lib/hooks';
import styles from './Front.module.css';

/** The frame of the pages before the dashboard. */
export function Front({ title, lead, children, foot }: { title: string; lead?: ReactNode; children: ReactNode; foot?: ReactNode }) {
  usePageTitle(title);
  return (
    <div className={styles.front}>
      <header className={styles.brand}>
        <Mark />
        <span>Subgrant</span>
      </header>
      <main className={styles.card}>
        <h1>{title}</h1>
        {lead ? <p className={styles.lead}>{lead}</p> : null}
        {children}
      </main>
      {foot ? <footer className={styles.foot}>{foot}</footer> : null}
    </div>
  );
}

/** A fragment's `token=…`, taken out of the address so that it stays neither in the history nor in a screenshot. */
export function takeToken(): string {
  const token = new URLSearchParams(location.hash.slice(1)).get('token') ?? '';
  if (token !== '') history.replaceState(history.state, '', location.pathname);
  return token;
}
