import type { ReactNode } from 'react';
import { usePageTitle } from '../lib/hooks';
import styles from './Page.module.css';

interface PageProps {
  title: string;
  /** What stands in the heading's place, where that is more than the title. */
  heading?: ReactNode;
  lead?: ReactNode;
  actions?: ReactNode;
  children: ReactNode;
  /** `fill` pages are as high as the window and scroll inside. */
  height?: 'flow' | 'fill';
  width?: 'full' | 'reading';
}

export function Page({ title, heading, lead, actions, children, height = 'flow', width = 'full' }: PageProps) {
  usePageTitle(title);
  return (
    <div className={`${styles.page} ${styles[height]} ${styles[width]}`}>
      <header className={styles.head}>
        <div className={styles.words}>
          <h1>{heading ?? title}</h1>
          {lead ? <div className={styles.lead}>{lead}</div> : null}
        </div>
        {actions ? <div className={styles.actions}>{actions}</div> : null}
      </header>
      {children}
    </div>
  );
}

/** A part of a page, on a surface of its own. */
export function Card({ title, actions, children, padding = 'yes', id }: { title?: ReactNode; actions?: ReactNode; children: ReactNode; padding?: 'yes' | 'none'; id?: string }) {
  return (
    <section className={styles.card} id={id}>
      {title || actions ? (
        <header className={styles.cardHead}>
          <h2>{title}</h2>
          {actions ? <div className={styles.actions}>{actions}</div> : null}
        </header>
      ) : null}
      <div className={padding === 'yes' ? styles.cardBody : styles.bare}>{children}</div>
    </section>
  );
}

/** Names and values. */
export function Facts({ children }: { children: ReactNode }) {
  return <dl className={styles.facts}>{children}</dl>;
}

export function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div className={styles.fact}>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}
