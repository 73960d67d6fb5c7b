import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { Form } from 'react-aria-components';
import { api, ok } from '../../api/client';
import { asProblem } from '../../api/problem';
import type { AlertKind, CreateAlert, Period } from '../../api/schema';
import { useSession } from '../../api/session';
import { parseCredits } from '../../lib/format';
import { Button } from '../../parts/Button';
import { Dialog } from '../../parts/Dialog';
import { Choice, Select, TextField } from '../../parts/Field';
import { FormProblem } from '../../parts/States';
import { announce } from '../../parts/Toast';
import { DelegationField, type Chosen } from './DelegationField';
import { alertsQuery } from './queries';
import styles from './Settings.module.css';

const FORM = 'alert';

const KINDS = [
  { id: 'budget', name: 'Part of the budget', note: 'Once, until the budget is changed.' },
  { id: 'limit', name: 'Part of a window limit', note: 'Once in each of its windows.' },
  { id: 'spend', name: 'An amount', note: 'Once in each window, or once ever.' },
] as const;

const PERIODS = [
  { id: 'hour', name: 'an hour' },
  { id: 'day', name: 'a day' },
  { id: 'week', name: 'a week' },
  { id: 'month', name: 'a month' },
] as const;

const WINDOWS = [...PERIODS, { id: 'ever', name: 'no time in particular' }] as const;

interface Draft {
  on: Chosen | null;
  kind: AlertKind;
  percent: string;
  credits: string;
  per: Period | 'ever';
}

export function NewAlertDialog({ onClose }: { onClose: () => void }) {
  const client = useQueryClient();
  const { tenant } = useSession();
  const [draft, setDraft] = useState<Draft>({ on: null, kind: 'budget', percent: '80', credits: '', per: 'day' });
  const set = <K extends keyof Draft>(field: K) => (value: Draft[K]) => setDraft((now) => ({ ...now, [field]: value }));
  const add = useMutation({
    mutationFn: () => ok(api.POST('/api/cloud/alert', { body: bodyOf(draft) })),
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: alertsQuery.queryKey });
      announce('The alert was added', 'You are told by e-mail where the server can send any, and by webhook.');
      onClose();
    },
  });
  const problem = add.error ? asProblem(add.error) : undefined;
  const isReady = draft.kind === 'spend' ? parseCredits(draft.credits) !== null : /^([1-9]\d?|100)$/.test(draft.percent.trim());
  return (
    <Dialog
      title="Add an alert"
      isOpen
      onClose={onClose}
      footer={
        <>
          <Button onPress={onClose}>Cancel</Button>
          <Button tone="primary" type="submit" form={FORM} isPending={add.isPending} isDisabled={!isReady}>Add</Button>
        </>
      }
    >
      <Form
        id={FORM}
        className={styles.form ?? ''}
        onSubmit={(event) => {
          event.preventDefault();
          if (isReady) add.mutate();
        }}
      >
        <FormProblem error={problem?.problem.errors ? undefined : problem} />
        <DelegationField label="Delegation" root={tenant.root_delegation_id} value={draft.on} onChange={set('on')} error={problem?.field('/delegation_id')} />
        <Choice label="Send word at" value={draft.kind} options={KINDS} onChange={set('kind')} error={problem?.field('/kind')} />
        <div className={styles.pair}>
          {draft.kind === 'spend' ? (
            <TextField label="Amount" inputMode="numeric" suffix="cr" value={draft.credits} onChange={set('credits')} error={problem?.field('/credits')} />
          ) : (
            <TextField label="Part" inputMode="numeric" suffix="%" value={draft.percent} onChange={set('percent')} error={problem?.field('/percent')} description="1 to 100" />
          )}
          {draft.kind === 'limit' ? <Select label="Of the limit per" value={draft.per === 'ever' ? 'day' : draft.per} options={PERIODS} onChange={set('per')} error={problem?.field('/per')} /> : null}
          {draft.kind === 'spend' ? <Select label="Within" value={draft.per} options={WINDOWS} onChange={set('per')} error={problem?.field('/per')} /> : null}
        </div>
      </Form>
    </Dialog>
  );
}

function bodyOf({ on, kind, percent, credits, per }: Draft): CreateAlert {
  const amount = kind === 'spend' ? { credits: parseCredits(credits) ?? 0 } : { percent: Number(percent) };
  const window = kind === 'limit' ? { per: per === 'ever' ? ('day' as const) : per } : kind === 'spend' && per !== 'ever' ? { per } : {};
  return { ...(on ? { delegation_id: on.id } : {}), kind, ...amount, ...window };
}
