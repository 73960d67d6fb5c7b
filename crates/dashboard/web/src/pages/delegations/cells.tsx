import { useQuery } from '@tanstack/react-query';
import { delegationQuery, type Node } from '../../api/delegations';
import { brief } from '../../lib/format';
import { BudgetBar, summary } from '../../parts/BudgetBar';
import { StatusBadge } from '../../parts/StatusBadge';
import { Ago, CreditAmount, Label, None } from '../../parts/text';
import styles from './TreeTable.module.css';

/** The node as it is now. Each cell follows its node by itself, so that a debit redraws a few cells and not the table. */
export function useNode(id: string): Node | undefined {
  return useQuery({ ...delegationQuery(id), staleTime: Infinity }).data;
}

interface CellProps {
  id: string;
}

export function NameCell({ id, badge, isMatch }: CellProps & { badge: 'with' | 'without'; isMatch: boolean }) {
  const node = useNode(id);
  if (!node) return null;
  return (
    <span className={`${styles.name} ${isMatch ? '' : styles.way} ${node.status === 'revoked' || node.status === 'expired' ? styles.over : ''}`}>
      <Label>{node.label}</Label>
      {badge === 'with' && node.status !== 'active' ? <StatusBadge status={node.status} /> : null}
    </span>
  );
}

export function AttributionCell({ id }: CellProps) {
  const node = useNode(id);
  if (!node?.cost_center && !node?.department) return <None />;
  return (
    <span className={styles.pair}>
      {node.cost_center ? <Label>{node.cost_center}</Label> : <None>no cost centre</None>}
      {node.department ? <span className={styles.second}><Label>{node.department}</Label></span> : null}
    </span>
  );
}

/** What is spent and what is left, in words and as a bar. */
export function BudgetCell({ id }: CellProps) {
  const node = useNode(id);
  if (!node) return null;
  return (
    <span className={styles.budget} title={summary(node)}>
      <span className={styles.amounts}>
        <span>{brief(node.spent_credits)} <span className={styles.dim}>spent</span></span>
        <span>
          {node.status === 'revoked' || node.status === 'expired' ? (
            <span className={styles.dim}>over</span>
          ) : node.remaining_credits === null || node.remaining_credits === undefined ? (
            <span className={styles.dim}>no limit</span>
          ) : (
            <>
              {brief(node.remaining_credits)} <span className={styles.dim}>left</span>
            </>
          )}
        </span>
      </span>
      {/* A row that now shows another node starts with that node's bar, and does not glide there. */}
      <BudgetBar key={id} of={node} />
    </span>
  );
}

/** What it spent with all below it, and itself. */
export function SpendCell({ id }: CellProps) {
  const node = useNode(id);
  if (!node) return null;
  return (
    <span className={styles.pair}>
      <CreditAmount value={node.spent_credits} />
      {node.descendants > 0 ? <span className={styles.second}>own <CreditAmount value={node.own_spent_credits} /></span> : null}
    </span>
  );
}

/** When it ends, and when it was last used itself. */
export function LifeCell({ id }: CellProps) {
  const node = useNode(id);
  if (!node) return null;
  const used = node.last_used_at;
  return (
    <span className={styles.pair}>
      {node.expires_at ? <Ago at={node.expires_at} /> : <span>never</span>}
      {used === undefined ? null : <span className={styles.second}>{used === null ? 'not used yet' : <>used <Ago at={used} /></>}</span>}
    </span>
  );
}

export function ExpiryCell({ id }: CellProps) {
  const at = useNode(id)?.expires_at;
  return at ? <Ago at={at} /> : <None>never</None>;
}

export function StatusCell({ id }: CellProps) {
  const node = useNode(id);
  return node ? <StatusBadge status={node.status} inherited={node.deactivated_by ? 'inherited' : 'own'} /> : null;
}
