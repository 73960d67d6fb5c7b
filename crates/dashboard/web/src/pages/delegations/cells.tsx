import { useQuery } from '@tanstack/react-query';
import { delegationQuery, type Node } from '../../api/delegations';
import { brief } from '../../lib/format';
import { BudgetBar, summary } from '../../parts/BudgetBar';
import { StatusBadge } from '../../parts/StatusBadge';
import { Ago, CreditAmount, Label, None } from '../../parts/text';
import styles from './TreeTable.module.css';

/** The node as it is now. Rows follow their node by themselves, so that a debit redraws a few rows and not the table. */
export function useNode(id: string): Node | undefined {
  return useQuery({ ...delegationQuery(id), staleTime: Infinity }).data;
}

interface CellProps {
  node: Node;
}

export function NameCell({ node, badge, isMatch }: CellProps & { badge: 'with' | 'without'; isMatch: boolean }) {
  return (
    <span className={`${styles.name} ${isMatch ? '' : styles.way} ${node.status === 'revoked' || node.status === 'expired' ? styles.over : ''}`}>
      <Label>{node.label}</Label>
      {badge === 'with' && node.status !== 'active' ? <StatusBadge status={node.status} /> : null}
    </span>
  );
}

export function AttributionCell({ node }: CellProps) {
  if (!node.cost_center && !node.department) return <None />;
  return (
    <span className={styles.pair}>
      {node.cost_center ? <Label>{node.cost_center}</Label> : <None>no cost centre</None>}
      {node.department ? <span className={styles.second}><Label>{node.department}</Label></span> : null}
    </span>
  );
}

/** What is spent and what is left, in words and as a bar. */
export function BudgetCell({ node }: CellProps) {
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
      <BudgetBar of={node} />
    </span>
  );
}

/** What it spent with all below it, and itself. */
export function SpendCell({ node }: CellProps) {
  return (
    <span className={styles.pair}>
      <CreditAmount value={node.spent_credits} />
      {node.descendants > 0 ? <span className={styles.second}>own <CreditAmount value={node.own_spent_credits} /></span> : null}
    </span>
  );
}

/** When it ends, and when it was last used itself. */
export function LifeCell({ node }: CellProps) {
  const used = node.last_used_at;
  return (
    <span className={styles.pair}>
      {node.expires_at ? <Ago at={node.expires_at} /> : <span>never</span>}
      {used === undefined ? null : <span className={styles.second}>{used === null ? 'not used yet' : <>used <Ago at={used} /></>}</span>}
    </span>
  );
}

export function ExpiryCell({ node }: CellProps) {
  return node.expires_at ? <Ago at={node.expires_at} /> : <None>never</None>;
}

export function StatusCell({ node }: CellProps) {
  return <StatusBadge status={node.status} inherited={node.deactivated_by ? 'inherited' : 'own'} />;
}
