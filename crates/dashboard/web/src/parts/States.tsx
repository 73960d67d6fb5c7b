import type { ReactNode } from 'react';
import { asProblem } from '../api/problem';
import { Button } from './Button';
import { WarnIcon } from './icons';
import styles from './States.module.css';

/** What is shown while something is loaded for the first time. */
export function Loading({ what, lines = 4 }: { what: string; lines?: number }) {
  return (
    <div className={styles.loading} role="status">
      <span className="visually-hidden">Loading {what}…</span>
      {Array.from({ length: lines }, (_, line) => (
        <span key={line} className={styles.line} aria-hidden="true" />
      ))}
    </div>
  );
}

export function Empty({ title, children, action }: { title: string; children?: ReactNode; action?: ReactNode }) {
  return (
    <div className={styles.state}>
      <p className={styles.title}>{title}</p>
      {children ? <p className={styles.text}>{children}</p> : null}
      {action}
    </div>
  );
}

/** Why something could not be shown, and how to go on. `what` completes "… cannot be shown". */
export function Failed({ error, onRetry, what }: { error: unknown; onRetry?: (() => void) | undefined; what: string }) {
  const { problem } = asProblem(error);
  const missing = problem.status === 404;
  return (
    <div className={styles.state} role="alert">
      <span className={styles.icon}><WarnIcon size={20} /></span>
      <p className={styles.title}>{missing ? `${what} cannot be shown` : problem.title}</p>
      <p className={styles.text}>{missing ? 'It does not exist, or is not yours to see.' : problem.detail}</p>
      {problem.request_id ? <p className={styles.request}>Request <code>{problem.request_id}</code></p> : null}
      {onRetry ? <Button onPress={onRetry}>Try again</Button> : null}
    </div>
  );
}

/** A remark of weight within a page. */
export function Notice({ tone, title, children }: { tone: 'info' | 'warn' | 'bad' | 'good'; title?: string; children?: ReactNode }) {
  return (
    <div className={`${styles.notice} ${styles[tone]}`} role={tone === 'bad' ? 'alert' : 'note'}>
      {title ? <p className={styles.noticeTitle}>{title}</p> : null}
      {children ? <div>{children}</div> : null}
    </div>
  );
}

/** What the server says is wrong with a form as a whole; fields show their own. */
export function FormProblem({ error }: { error: unknown }) {
  if (error === null || error === undefined) return null;
  const { problem } = asProblem(error);
  return (
    <Notice tone="bad" title={problem.title}>
      {problem.errors && problem.errors.length > 0 ? (
        <ul className={styles.faults}>
          {problem.errors.map((fault) => (
            <li key={`${fault.pointer} ${fault.code}`}><code>{fault.pointer.replace(/^[/?]/, '')}</code> {fault.detail}</li>
          ))}
        </ul>
      ) : (
        problem.detail
      )}
    </Notice>
  );
}
