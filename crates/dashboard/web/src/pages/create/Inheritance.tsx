import { useQueries, useQuery, useQueryClient } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { chainQuery, delegationQuery, type Node } from '../../api/delegations';
import { credits, moment, parseCredits } from '../../lib/format';
import type { Draft } from './form';
import styles from './CreatePage.module.css';

/** Caveats that no field of a delegation says. */
const SCOPE = /^(route|method|source_ip|audience|services|[a-z_]+_capabilities|[a-z_]+_valid_until)\s*=/;

/** Everything above the child that binds it, and what it adds. */
export function Inheritance({ draft, end }: { draft: Draft; end: string | null }) {
  const client = useQueryClient();
  const chain = useQuery(chainQuery(client, draft.parent)).data ?? [];
  const nodes = useQueries({ queries: chain.map((id) => delegationQuery(id)) }).flatMap((result) => (result.data ? [result.data] : []));
  const parent = nodes.at(-1);
  return (
    <aside className={styles.panel} aria-label="What it inherits and adds">
      <h2>Inherited</h2>
      {nodes.length === 0 ? <p className={styles.hint}>Choose a parent.</p> : null}
      <ol className={styles.chain}>
        {nodes.map((node) => (
          <li key={node.id}>
            <strong><bdi>{node.label}</bdi></strong>
            <ul className={styles.rules}>{rules(node).map((rule, at) => <li key={at}>{rule}</li>)}</ul>
          </li>
        ))}
      </ol>
      {parent?.caveats.some((caveat) => SCOPE.test(caveat)) ? (
        <ul className={styles.rules}>{parent.caveats.filter((caveat) => SCOPE.test(caveat)).map((caveat) => <li key={caveat}><code>{caveat}</code></li>)}</ul>
      ) : null}
      <h2>This child adds</h2>
      <ul className={styles.rules}>{additions(draft, parent, end).map((addition, at) => <li key={at}>{addition}</li>)}</ul>
      <p className={styles.hint}>A child can only be narrower than its parent, and nothing above can be loosened from below.</p>
    </aside>
  );
}

function rules(node: Node): ReactNode[] {
  const rules: ReactNode[] = [];
  if (node.remaining_credits === null || node.remaining_credits === undefined) rules.push('no budget limit');
  else rules.push(`${credits(node.remaining_credits)} of ${credits(node.budget_credits)} credits remain`);
  for (const limit of node.limits) rules.push(`at most ${credits(limit.credits)} a ${limit.per}`);
  if (node.max_per_spend) rules.push(`at most ${credits(node.max_per_spend)} in one spend`);
  if (node.expires_at) rules.push(`ends ${moment(node.expires_at)}`);
  if (node.actions.length < 3) rules.push(`may ${node.actions.join(', ')}`);
  if (typeof node.max_depth === 'number') rules.push(`${node.max_depth} more levels below`);
  if (node.status !== 'active') rules.push(`is ${node.status}`);
  return rules;
}

function additions(draft: Draft, parent: Node | undefined, end: string | null): ReactNode[] {
  const amount = parseCredits(draft.budget);
  const list: ReactNode[] = [];
  list.push(amount === null ? 'a budget (not said yet)' : `a budget of ${credits(amount)} credits, ${draft.allocation === 'carve' ? 'set aside' : 'shared with its siblings'}`);
  if (end !== null && end !== parent?.expires_at) list.push(`an end: ${moment(end)}`);
  for (const limit of draft.limits) {
    const most = parseCredits(limit.credits);
    if (most !== null) list.push(`at most ${credits(most)} a ${limit.per}`);
  }
  const most = parseCredits(draft.maxPerSpend);
  if (most !== null) list.push(`at most ${credits(most)} in one spend`);
  if (draft.maxDepth !== '') list.push(draft.maxDepth === '0' ? 'nothing below it' : `at most ${draft.maxDepth} levels below it`);
  if (draft.actions !== null) list.push(draft.actions.length === 0 ? 'no action' : `only ${draft.actions.join(', ')}`);
  if (draft.costCenter !== '' && !parent?.cost_center) list.push(<>cost centre <bdi>{draft.costCenter}</bdi></>);
  if (draft.department !== '' && !parent?.department) list.push(<>department <bdi>{draft.department}</bdi></>);
  for (const caveat of draft.caveats.split('\n').filter((line) => line.trim() !== '')) list.push(<code>{caveat.trim()}</code>);
  return list;
}
