import { credits, moment, ago, date } from '../lib/format';
import { useNow } from '../lib/hooks';
import styles from './text.module.css';

/**
 * A text that somebody else wrote: isolated, so that a right-to-left override in it ends with it; on one line; shown in full on
 * hover.
 */
export function Label({ children, wrap = 'cut' }: { children: string; wrap?: 'cut' | 'break' }) {
  return (
    <bdi className={wrap === 'cut' ? styles.cut : styles.break} title={wrap === 'cut' ? children : undefined}>
      {children}
    </bdi>
  );
}

export function CreditAmount({ value, unit = 'without' }: { value: number | null | undefined; unit?: 'with' | 'without' }) {
  const text = credits(value);
  return (
    <span className={styles.amount}>
      {text}
      {unit === 'with' && typeof value === 'number' ? <span className={styles.unit}> cr</span> : null}
    </span>
  );
}

/** `3 min. ago`, with the exact time on hover. */
export function Ago({ at }: { at: string }) {
  const now = useNow();
  return (
    <time dateTime={at} title={moment(at)} className={styles.time}>
      {/* What has just happened is not in the future, although the shared clock moves in steps. */}
      {ago(at, Math.max(now, Date.now()))}
    </time>
  );
}

export function Moment({ at }: { at: string }) {
  return <time dateTime={at} className={styles.time}>{moment(at)}</time>;
}

export function Day({ at }: { at: string }) {
  return <time dateTime={at} title={moment(at)} className={styles.time}>{date(at)}</time>;
}

/** What is not there. */
export function None({ children = 'none' }: { children?: string }) {
  return (
    <span className={styles.none}>
      <span aria-hidden="true">–</span>
      <span className="visually-hidden">{children}</span>
    </span>
  );
}
