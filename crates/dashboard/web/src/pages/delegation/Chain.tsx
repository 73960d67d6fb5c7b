import { useQueries, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from 'react-router';
import { chainQuery, delegationQuery } from '../../api/delegations';
import { count, credits } from '../../lib/format';
import { BudgetBar } from '../../parts/BudgetBar';
import { DataTable, type Column } from '../../parts/DataTable';
import { Card } from '../../parts/Page';
import { Failed, Loading } from '../../parts/States';
import { CreditAmount, Label, None } from '../../parts/text';
import { effectiveLevels, type Level } from './binding';
import styles from './DelegationPage.module.css';

/** The node and everything above it, the root first, as they are now. */
export function useChain(id: string) {
  const client = useQueryClient();
  const ids = useQuery(chainQuery(client, id));
  const nodes = useQueries({ queries: (ids.data ?? []).map((one) => delegationQuery(one)) }).flatMap((result) => (result.data ? [result.data] : []));
  return { nodes, isPending: ids.isPending, error: ids.error, retry: () => void ids.refetch() };
}

const COLUMNS: Column<Level>[] = [
  {
    id: 'name', name: 'Delegation',
    cell: ({ node, binds }) => (
      <span className={styles.levelName}>
        <Link to={`/delegations/${node.id}`}><Label>{node.label}</Label></Link>
        {binds ? <span className={styles.binds}>binds</span> : null}
      </span>
    ),
  },
  { id: 'allows', name: 'Leaves it', align: 'end', cell: ({ allows, node }) => (allows === null ? <span className={styles.dim}>{node.budget_credits === null ? 'no limit' : 'set aside'}</span> : <CreditAmount value={allows} />) },
  { id: 'bar', name: 'Budget', importance: 'wide', cell: ({ node }) => <span className={styles.chainBar}><BudgetBar of={node} /><span className={styles.dim}>{credits(node.budget_credits)}</span></span> },
  {
    id: 'limits', name: 'Limits',
    cell: ({ node }) => {
      const limits = [...node.limits.map((limit) => `${credits(limit.credits)} a ${limit.per}`), ...(node.max_per_spend ? [`${credits(node.max_per_spend)} a spend`] : [])];
      return limits.length === 0 ? <None /> : limits.join(', ');
    },
  },
];

/** What every level up to the root leaves to the node, and which one is the tightest. */
export function Chain({ id }: { id: string }) {
  const chain = useChain(id);
  if (chain.error) return <Card title="Effective limits"><Failed error={chain.error} what="The levels above" onRetry={chain.retry} /></Card>;
  if (chain.isPending) return <Card title="Effective limits"><Loading what="the levels above" /></Card>;
  const levels = effectiveLevels(chain.nodes);
  const binding = levels.find((level) => level.binds);
  const status = chain.nodes.at(-1)?.status;
  return (
    <Card title="Effective limits" padding="none">
      <p className={styles.lead}>
        {status === 'revoked' || status === 'expired' || status === 'frozen' ? (
          `It is ${status}: nothing can be spent.`
        ) : binding === undefined ? 'Nothing limits what it spends, up to the root.' : binding.node.id === id ? (
          <>Its own budget binds: {credits(binding.allows)} credits can still be spent.</>
        ) : (
          <><bdi>{binding.node.label}</bdi>, {count(levels.length - 1 - levels.indexOf(binding), 'level')} above, binds: {credits(binding.allows)} credits can still be spent.</>
        )}
      </p>
      <DataTable caption="Effective limits, from the root down" columns={COLUMNS} rows={levels} rowKey={(level) => level.node.id} />
    </Card>
  );
}
