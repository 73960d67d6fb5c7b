import { credits, share } from '../lib/format';
import styles from './BudgetBar.module.css';

interface Amounts {
  budget_credits?: number | null;
  spent_credits: number;
  held_credits: number;
  reserved_for_children_credits?: number;
}

/** Spent, held and set aside as parts of the budget. The picture is for the eye; the words beside it or `summary` say the same. */
export function BudgetBar({ of, size = 'small' }: { of: Amounts; size?: 'small' | 'large' }) {
  const budget = of.budget_credits;
  const width = (part: number) => ({ width: budget ? `${Math.min(100, (100 * part) / budget)}%` : '0%' });
  const used = budget ? (of.spent_credits + of.held_credits) / budget : 0;
  const level = used >= 1 ? styles.full : used >= 0.8 ? styles.high : styles.low;
  return (
    <span className={`${styles.bar} ${styles[size]} ${budget ? level : styles.unlimited}`} aria-hidden="true">
      <span className={styles.spent} style={width(of.spent_credits)} />
      <span className={styles.held} style={width(of.held_credits)} />
      <span className={styles.reserved} style={width(of.reserved_for_children_credits ?? 0)} />
    </span>
  );
}

export function summary(of: Amounts): string {
  const { budget_credits: budget, spent_credits: spent, held_credits: held } = of;
  if (budget === null || budget === undefined) return `${credits(spent)} spent, no limit`;
  return `${credits(spent)} of ${credits(budget)} spent (${share(spent, budget)})${held > 0 ? `, ${credits(held)} held` : ''}`;
}
