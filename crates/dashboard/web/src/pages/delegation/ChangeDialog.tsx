import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { Form } from 'react-aria-components';
import { api, ok } from '../../api/client';
import { keep, type Node } from '../../api/delegations';
import { asProblem } from '../../api/problem';
import type { UpdateDelegation } from '../../api/schema';
import { credits, parseCredits } from '../../lib/format';
import { Button } from '../../parts/Button';
import { Dialog } from '../../parts/Dialog';
import { TextField } from '../../parts/Field';
import { LimitFields } from '../../parts/LimitFields';
import { FormProblem, Notice } from '../../parts/States';
import { announce } from '../../parts/Toast';
import { TokenDialog } from '../../parts/TokenDialog';
import { changes, draftOf, type Draft } from './change';
import styles from './DelegationPage.module.css';

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
        <LimitFields limits={draft.limits} onChange={(limits) => set({ limits })} fault={(pointer) => problem?.field(pointer)} />
      </Form>
    </Dialog>
  );
}
