import { credits } from '../../lib/format';
import { useNode } from './cells';
import styles from './DelegationsPage.module.css';

/** The sums of the whole tree. */
export function Totals({ id }: { id: string }) {
  const root = useNode(id);
  if (!root) return null;
  return (
    <dl className={styles.totals}>
      <Total name="Spent" value={credits(root.spent_credits)} />
      <Total name="Held" value={credits(root.held_credits)} />
      <Total name="Set aside for children" value={credits(root.reserved_for_children_credits)} />
      <Total name="Promised to cap children" value={credits(root.capped_for_children_credits)} />
      <Total name="Delegations made" value={credits(root.descendants)} />
    </dl>
  );
}

function Total({ name, value }: { name: string; value: string }) {
  return (
    <div className={styles.total}>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}
