import { useState } from 'react';
import { useMay } from '../../api/session';
import { credits } from '../../lib/format';
import { Button, ButtonLink } from '../../parts/Button';
import { CheckIcon } from '../../parts/icons';
import { useNode } from './cells';
import styles from './FirstRun.module.css';

/** The way from a new organisation to its first spend. It ends when that arrives, and never comes back. */
export function FirstRun({ root }: { root: string }) {
  const node = useNode(root);
  const may = useMay();
  const [wasNew] = useState(() => node?.spent_credits === 0);
  const [isClosed, setClosed] = useState(false);
  if (!node || !wasNew || isClosed || !may.manageDelegations) return null;
  const hasDelegation = node.descendants > 0;
  const hasSpend = node.spent_credits > 0;
  const steps = [
    { name: 'Create your organisation', done: true, now: false },
    { name: 'Delegate a budget to an agent', done: hasDelegation, now: !hasDelegation },
    { name: 'Spend with its token', done: hasSpend, now: hasDelegation && !hasSpend },
  ];
  return (
    <section className={styles.card} aria-labelledby="first-run">
      <div className={styles.head}>
        <h2 id="first-run">{hasSpend ? 'You are set up' : 'Get started'}</h2>
        <p className={styles.text} role="status">
          {hasSpend ? `The first spend has arrived: ${credits(node.spent_credits)} credits.` : hasDelegation ? 'Run the curl that was shown with the token. The spend appears here by itself. Token lost? Rotate the delegation.' : 'A delegation is a budget with a token. Agents get the token and nothing else.'}
        </p>
      </div>
      <ol className={styles.steps}>
        {steps.map((step, at) => (
          <li key={step.name} className={step.done ? styles.done : step.now ? styles.now : styles.later} aria-current={step.now ? 'step' : undefined}>
            <span className={styles.mark} aria-hidden="true">{step.done ? <CheckIcon size={12} /> : at + 1}</span>
            {step.name}
            {step.done ? <span className="visually-hidden"> (done)</span> : null}
          </li>
        ))}
      </ol>
      <div>
        {hasSpend ? <Button size="small" onPress={() => setClosed(true)}>Close</Button> : null}
        {hasDelegation ? null : <ButtonLink size="small" tone="primary" to="/delegations/new?label=my-first-agent&budget=1000">Delegate</ButtonLink>}
      </div>
    </section>
  );
}
