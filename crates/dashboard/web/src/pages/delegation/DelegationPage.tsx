import { useQuery } from '@tanstack/react-query';
import { Tab, TabList, TabPanel, Tabs } from 'react-aria-components';
import { Link, useParams, useSearchParams } from 'react-router';
import { delegationQuery, type Node } from '../../api/delegations';
import { BudgetBar, summary } from '../../parts/BudgetBar';
import { CopyButton } from '../../parts/CopyField';
import { Card, Fact, Facts, Page } from '../../parts/Page';
import { Failed, Loading } from '../../parts/States';
import { StatusBadge } from '../../parts/StatusBadge';
import { CreditAmount, Label, Moment, None } from '../../parts/text';
import { Actions } from './Actions';
import { BurnDown } from './BurnDown';
import { Chain, useChain } from './Chain';
import { Children } from './Children';
import { Holds } from './Holds';
import { Ledger } from './Ledger';
import { Tokens } from './Tokens';
import styles from './DelegationPage.module.css';

export function DelegationPage() {
  const { id = '' } = useParams();
  const found = useQuery(delegationQuery(id));
  if (found.isPending) return <Page title="Delegation"><Loading what="the delegation" lines={8} /></Page>;
  if (found.isError && !found.data) return <Page title="Delegation"><Failed error={found.error} what="This delegation" onRetry={() => void found.refetch()} /></Page>;
  return <Shown key={id} node={found.data} />;
}

function Shown({ node }: { node: Node }) {
  return (
    <Page
      title={node.label}
      heading={<span className={styles.heading}><bdi>{node.label}</bdi> <StatusBadge status={node.status} inherited={node.deactivated_by ? 'inherited' : 'own'} /></span>}
      lead={<Above id={node.id} />}
      actions={<Actions node={node} />}
    >
      <Card>
        <div className={styles.money}>
          <p className={styles.sum}>{summary(node)}</p>
          <BudgetBar of={node} size="large" />
          <ul className={styles.key}>
            <li className={styles.keySpent}>Spent</li>
            <li className={styles.keyHeld}>Held</li>
            <li className={styles.keyReserved}>Set aside for children</li>
          </ul>
        </div>
        <Facts>
          <Fact name="Budget"><CreditAmount value={node.budget_credits} /></Fact>
          <Fact name="Spent, with all below"><CreditAmount value={node.spent_credits} /></Fact>
          <Fact name="Held"><CreditAmount value={node.held_credits} /></Fact>
          <Fact name="Set aside for children"><CreditAmount value={node.reserved_for_children_credits} /></Fact>
          {node.capped_for_children_credits > 0 ? <Fact name="Promised to cap children"><CreditAmount value={node.capped_for_children_credits} />{overcommit(node)}</Fact> : null}
          {isOver(node) ? null : (
            <>
              <Fact name="Available"><CreditAmount value={node.available_credits} /></Fact>
              <Fact name="Effectively remaining"><CreditAmount value={node.effective_remaining_credits} /></Fact>
            </>
          )}
        </Facts>
      </Card>
      <div className={styles.columns}>
        <BurnDown node={node} />
        <Chain id={node.id} />
      </div>
      <Details node={node} />
      <Terms node={node} />
    </Page>
  );
}

/** What it had left is its parent's again. */
function isOver(node: Node): boolean {
  return node.status === 'revoked' || node.status === 'expired';
}

function overcommit(node: Node): string {
  const ratio = node.overcommit_ratio ?? 0;
  return ratio > 1 ? ` (${ratio.toFixed(1)} × what remains)` : '';
}

function Above({ id }: { id: string }) {
  const { nodes } = useChain(id);
  return (
    <nav aria-label="Above it">
      <ol className={styles.crumbs}>
        <li><Link to="/delegations">Delegations</Link></li>
        {nodes.slice(0, -1).map((node) => <li key={node.id}><Link to={`/delegations/${node.id}`}><bdi>{node.label}</bdi></Link></li>)}
      </ol>
    </nav>
  );
}

const TABS = [
  { id: 'ledger', name: 'Ledger', Content: Ledger },
  { id: 'children', name: 'Children', Content: Children },
  { id: 'holds', name: 'Holds', Content: Holds },
  { id: 'tokens', name: 'Tokens', Content: Tokens },
];

function Details({ node }: { node: Node }) {
  const [search, setSearch] = useSearchParams();
  const asked = search.get('tab');
  const chosen = TABS.find((tab) => tab.id === asked)?.id ?? 'ledger';
  return (
    <Card padding="none">
      <Tabs selectedKey={chosen} onSelectionChange={(key) => setSearch({ tab: String(key) }, { replace: true, preventScrollReset: true })}>
        <TabList aria-label="Details" className={styles.tabList ?? ''}>
          {TABS.map(({ id, name }) => <Tab key={id} id={id} className={styles.tab ?? ''}>{name}</Tab>)}
        </TabList>
        {TABS.map(({ id, Content }) => <TabPanel key={id} id={id} className={styles.tabPanel ?? ''}><Content id={node.id} /></TabPanel>)}
      </Tabs>
    </Card>
  );
}

/** What was fixed when it was made. */
function Terms({ node }: { node: Node }) {
  return (
    <Card title="Terms">
      <Facts>
        <Fact name="Cost centre">{node.cost_center ? <Label wrap="break">{node.cost_center}</Label> : <None />}</Fact>
        <Fact name="Department">{node.department ? <Label wrap="break">{node.department}</Label> : <None />}</Fact>
        <Fact name="Allocation">{node.allocation === 'carve' ? 'Carve: set aside' : 'Cap: shared'}</Fact>
        <Fact name="May">{node.actions.join(', ')}</Fact>
        <Fact name="Levels below it">{typeof node.max_depth === 'number' ? `at most ${node.max_depth}` : 'no limit of its own'}</Fact>
        <Fact name="Created"><Moment at={node.created_at} /></Fact>
        <Fact name="Expires">{node.expires_at ? <Moment at={node.expires_at} /> : 'never'}</Fact>
        <Fact name="Id"><code className={styles.id}>{node.id}</code></Fact>
      </Facts>
      {node.caveats.length > 0 ? (
        <div>
          <h3>Caveats, in order</h3>
          <ol className={styles.caveats}>{node.caveats.map((caveat, at) => <li key={at}><code><bdi>{caveat}</bdi></code></li>)}</ol>
        </div>
      ) : null}
      <div><CopyButton text={node.id} label="Copy the id" /></div>
    </Card>
  );
}
