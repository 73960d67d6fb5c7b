import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from 'react-router';
import { levelQuery, loadMore } from '../../api/delegations';
import { Button } from '../../parts/Button';
import { DataTable, type Column } from '../../parts/DataTable';
import { Empty, Failed, Loading } from '../../parts/States';
import { BudgetCell, ExpiryCell, NameCell, SpendCell, StatusCell } from '../delegations/cells';
import styles from './DelegationPage.module.css';

const COLUMNS: Column<string>[] = [
  { id: 'name', name: 'Delegation', cell: (id) => <Link to={`/delegations/${id}`}><NameCell id={id} badge="without" isMatch /></Link> },
  { id: 'budget', name: 'Spent and remaining', cell: (id) => <span className={styles.childBudget}><BudgetCell id={id} /></span> },
  { id: 'spent', name: 'Subtree, own spend', align: 'end', importance: 'wide', cell: (id) => <SpendCell id={id} /> },
  { id: 'expiry', name: 'Expires', importance: 'wide', cell: (id) => <ExpiryCell id={id} /> },
  { id: 'status', name: 'Status', cell: (id) => <StatusCell id={id} /> },
];

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
