import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { Form } from 'react-aria-components';
import { api, ok } from '../../api/client';
import { keep, type Node } from '../../api/delegations';
import { asProblem } from '../../api/problem';
import type { Limit, Period, UpdateDelegation } from '../../api/schema';
import { credits, parseCredits } from '../../lib/format';
import { Button } from '../../parts/Button';
import { Dialog } from '../../parts/Dialog';
import { Select, TextField } from '../../parts/Field';
import { CrossIcon, PlusIcon } from '../../parts/icons';
import { FormProblem, Notice } from '../../parts/States';
import { announce } from '../../parts/Toast';
import { TokenDialog } from '../../parts/TokenDialog';
import styles from './DelegationPage.module.css';

const PERIODS: readonly { id: Period; name: string }[] = [
  { id: 'hour', name: 'per hour' },
  { id: 'day', name: 'per day' },
  { id: 'week', name: 'per week' },
  { id: 'month', name: 'per month' },
];

interface Draft {
  label: string;
  budget: string;
  maxPerSpend: string;
  limits: { key: string; credits: string; per: Period }[];
}

function draftOf(node: Node): Draft {
  return {
    label: node.label,
    budget: String(node.budget_credits ?? ''),
    maxPerSpend: String(node.max_per_spend ?? ''),
    limits: node.limits.map((limit, at) => ({ key: `old ${at}`, credits: String(limit.credits), per: limit.per })),
  };
}

/** Only what was changed, so that nothing else is overwritten; `null` where something is not a number. */
function changes(draft: Draft, node: Node): UpdateDelegation | null {
  const update: UpdateDelegation = {};
  if (draft.label.trim() !== node.label) update.label = draft.label.trim();
  const budget = parseCredits(draft.budget);
  if (node.budget_credits !== null && node.budget_credits !== undefined) {
    if (budget === null) return null;
    if (budget !== node.budget_credits) update.budget_credits = budget;
  }
  const most = draft.maxPerSpend.trim() === '' ? null : parseCredits(draft.maxPerSpend);
  if (most === null && draft.maxPerSpend.trim() !== '') return null;
  if (most !== (node.max_per_spend ?? null)) update.max_per_spend = most;
  const limits: Limit[] = [];
  for (const limit of draft.limits) {
    const amount = parseCredits(limit.credits);
    if (amount === null) return null;
    limits.push({ per: limit.per, credits: amount });
  }
  if (JSON.stringify(limits) !== JSON.stringify(node.limits.map(({ per, credits: amount }) => ({ per, credits: amount })))) update.limits = limits;
  return update;
}

/** Budget, limits and name. What somebody else changed in the meantime is not overwritten: the version seen goes along. */
export function ChangeDialog({ node, onClose }: { node: Node; onClose: () => void }) {
  const client = useQueryClient();
  const [seen, setSeen] = useState(node);
  const [draft, setDraft] = useState(() => draftOf(node));
  const update = changes(draft, seen);
  const change = useMutation({
    mutationFn: (body: UpdateDelegation) =>
      ok(api.PATCH('/api/cloud/delegation/{id}', { params: { path: { id: node.id }, header: { 'If-Match': `"${seen.version}"` } }, body })),
    gcTime: 0,
    onSuccess: ({ token, ...changed }) => {
      keep(client, changed);
      announce('Changed');
      if (!token) onClose();
    },
  });
  if (change.data?.token) {
    return <TokenDialog title="The new token" token={change.data.token} detail="The change allows more than before, which older tokens do not say. They go on within what they say; hand this one over where the new bounds should count. It is shown this one time." onClose={onClose} />;
  }
  const problem = change.error ? asProblem(change.error) : undefined;
  const stale = problem?.status === 412 || node.version !== seen.version;
  const set = (part: Partial<Draft>) => setDraft((before) => ({ ...before, ...part }));
  const renew = () => {
    change.reset();
    setSeen(node);
    setDraft(draftOf(node));
  };
  const isNothing = update !== null && Object.keys(update).length === 0;
  return (
    <Dialog
      title={<>Change <bdi>{node.label}</bdi></>}
      isOpen
      onClose={onClose}
      footer={
        <>
          <Button onPress={onClose}>Cancel</Button>
          <Button tone="primary" type="submit" form="change" isDisabled={stale || update === null || isNothing} isPending={change.isPending}>Save</Button>
        </>
      }
    >
      <Form
        id="change"
        className={styles.form ?? ''}
        onSubmit={(event) => {
          event.preventDefault();
          if (update) change.mutate(update);
        }}
      >
        {stale ? (
          <Notice tone="warn" title="Somebody changed it meanwhile">
            Nothing of yours is saved yet. <Button size="small" onPress={renew}>Start from what it is now</Button>
          </Notice>
        ) : (
          <FormProblem error={problem} />
        )}
        <TextField label="Name" value={draft.label} onChange={(label) => set({ label })} maxLength={256} error={problem?.field('/label')} />
        {seen.budget_credits === null ? null : (
          <TextField label="Budget" inputMode="numeric" suffix="credits" value={draft.budget} onChange={(budget) => set({ budget })}
            error={problem?.field('/budget_credits') ?? (parseCredits(draft.budget) === null ? 'A whole number of credits, at least 1.' : undefined)}
            description={`Not below what is spent, held and set aside: ${credits(seen.spent_credits + seen.held_credits + seen.reserved_for_children_credits)} credits.`} />
        )}
        <TextField label="Most in one spend" inputMode="numeric" suffix="credits" value={draft.maxPerSpend} onChange={(maxPerSpend) => set({ maxPerSpend })} error={problem?.field('/max_per_spend')} description="Empty: no such limit." />
        {draft.limits.map((limit, at) => {
          const replace = (part: Partial<typeof limit>) => set({ limits: draft.limits.map((old) => (old === limit ? { ...old, ...part } : old)) });
          return (
            <div key={limit.key} className={styles.limit}>
              <TextField label={`Limit ${at + 1}`} inputMode="numeric" suffix="credits" value={limit.credits} onChange={(amount) => replace({ credits: amount })} error={problem?.field(`/limits/${at}/credits`)} />
              <Select label="Window" value={limit.per} options={PERIODS} onChange={(per) => replace({ per })} error={problem?.field(`/limits/${at}/per`)} />
              <Button tone="quiet" aria-label={`Remove limit ${at + 1}`} icon={<CrossIcon />} onPress={() => set({ limits: draft.limits.filter((old) => old !== limit) })} />
            </div>
          );
        })}
        <div>
          <Button size="small" icon={<PlusIcon />} onPress={() => set({ limits: [...draft.limits, { key: `new ${Date.now()}`, credits: '', per: 'day' }] })}>Add a window limit</Button>
        </div>
      </Form>
    </Dialog>
  );
}
