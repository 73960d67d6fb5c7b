import { useQuery, useQueryClient } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { Link } from 'react-router';
import { levelQuery, loadMore, type Node } from '../../api/delegations';
import { Button } from '../../parts/Button';
import { DataTable, type Column } from '../../parts/DataTable';
import { Empty, Failed, Loading } from '../../parts/States';
import { BudgetCell, ExpiryCell, NameCell, SpendCell, StatusCell, useNode } from '../delegations/cells';
import styles from './DelegationPage.module.css';

const COLUMNS: Column<string>[] = [
  { id: 'name', name: 'Delegation', cell: of((node) => <Link to={`/delegations/${node.id}`}><NameCell node={node} badge="without" isMatch /></Link>) },
  { id: 'budget', name: 'Spent and remaining', cell: of((node) => <span className={styles.childBudget}><BudgetCell node={node} /></span>) },
  { id: 'spent', name: 'Subtree, own spend', align: 'end', importance: 'wide', cell: of((node) => <SpendCell node={node} />) },
  { id: 'expiry', name: 'Expires', importance: 'wide', cell: of((node) => <ExpiryCell node={node} />) },
  { id: 'status', name: 'Status', cell: of((node) => <StatusCell node={node} />) },
];

/** A cell that follows its node. */
function of(draw: (node: Node) => ReactNode): (id: string) => ReactNode {
  return (id) => <Following id={id} draw={draw} />;
}

function Following({ id, draw }: { id: string; draw: (node: Node) => ReactNode }) {
  const node = useNode(id);
  return node ? draw(node) : null;
}

/** The delegations that were made out of this one. */
export function Children({ id }: { id: string }) {
  const client = useQueryClient();
  const level = useQuery(levelQuery(client, id));
  if (level.isPending) return <Loading what="the delegations below" />;
  if (level.isError) return <Failed error={level.error} what="The delegations below" onRetry={() => void level.refetch()} />;
  return (
    <>
      <DataTable caption="Delegations below" columns={COLUMNS} rows={level.data.ids} rowKey={(child) => child} empty={<Empty title="Nothing below it">Its holder, or you, can delegate a part of its budget.</Empty>} />
      {level.data.next !== null ? <div className={styles.more}><Button onPress={() => void loadMore(client, id)}>Show more</Button></div> : null}
    </>
  );
}
