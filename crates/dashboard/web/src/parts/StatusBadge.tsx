import type { Status } from '../api/schema';
import styles from './StatusBadge.module.css';

const WORDS: Record<Status, string> = {
  active: 'Active',
  exhausted: 'Exhausted',
  frozen: 'Frozen',
  expired: 'Expired',
  revoked: 'Revoked',
};

export function StatusBadge({ status, inherited }: { status: Status; inherited?: 'inherited' | 'own' }) {
  return (
    <span className={`${styles.badge} ${styles[status]}`} title={inherited === 'inherited' ? 'Because of a delegation above it' : undefined}>
      <span className={styles.mark} aria-hidden="true" />
      {WORDS[status]}
      {inherited === 'inherited' ? <span className="visually-hidden"> because of a delegation above it</span> : null}
    </span>
  );
}
