import { useMutation, useQuery } from '@tanstack/react-query';
import { useEffect, useRef, useState } from 'react';
import { Form } from 'react-aria-components';
import { api, newKey, ok } from '../../api/client';
import { delegationQuery } from '../../api/delegations';
import { asProblem } from '../../api/problem';
import type { CreatedDelegation } from '../../api/schema';
import { useNow } from '../../lib/hooks';
import { Button, ButtonLink } from '../../parts/Button';
import { TextField } from '../../parts/Field';
import { Card } from '../../parts/Page';
import { FormProblem } from '../../parts/States';
import { bodyOf, endOf, faultsOf, type Draft } from './form';
import { HowLong, HowMuch } from './Amounts';
import { Inheritance } from './Inheritance';
import { ParentField } from './ParentField';
import { Scope } from './Scope';
import styles from './CreatePage.module.css';

interface CreateFormProps {
  initial: Draft;
  root: string;
  onCreated: (created: CreatedDelegation) => void;
}

export function CreateForm({ initial, root, onCreated }: CreateFormProps) {
  const [draft, setDraft] = useState(initial);
  const [tries, setTries] = useState(0);
  const parent = useQuery(delegationQuery(draft.parent));
  const now = useNow();
  const key = useRef(newKey());
  const form = useRef<HTMLFormElement>(null);
  const create = useMutation({
    mutationFn: () => {
      const body = bodyOf(draft, parent.data ?? {}, Date.now());
      return ok(api.POST('/api/cloud/delegation', { body, headers: { 'Idempotency-Key': key.current } }));
    },
    onSuccess: onCreated,
    // Where the answer was lost the same key brings it back; a refused request is another one when it is changed.
    onError: (error) => {
      if (asProblem(error).status !== 0) key.current = newKey();
    },
  });
  const set = (part: Partial<Draft>) => {
    setDraft((before) => ({ ...before, ...part }));
    if (!create.isPending) create.reset();
  };

  const life = parent.data ?? {};
  const faults = faultsOf(draft, life, now);
  const isComplete = Object.keys(faults).length === 0;
  // After each try, once what is wrong with it is drawn.
  useEffect(() => {
    if (tries > 0 && (create.error || !isComplete)) showFault(form.current);
  }, [tries, create.error]);
  const refused = create.error ? asProblem(create.error) : undefined;
  const fault = (pointer: string) => refused?.field(pointer) ?? (tries > 0 ? faults[pointer] : undefined);
  const end = endOf(draft, life, now);

  return (
    <Form
      ref={form}
      className={styles.layout ?? ''}
      onSubmit={(event) => {
        event.preventDefault();
        setTries(tries + 1);
        if (isComplete && parent.data) create.mutate();
      }}
    >
      <div className={styles.main}>
        <FormProblem error={refused} />
        <Card title="Who">
          <ParentField value={draft.parent} root={root} onChange={(id) => set({ parent: id, actions: null })} error={fault('/parent_id') ?? (parent.isError ? asProblem(parent.error).problem.detail : undefined)} />
          <TextField label="Name" isRequired value={draft.label} onChange={(label) => set({ label })} error={fault('/label')} maxLength={256} placeholder="code-reviewer" />
          <div className={styles.pair}>
            <Attribution label="Cost centre" inherited={parent.data?.cost_center} value={draft.costCenter} onChange={(costCenter) => set({ costCenter })} error={fault('/cost_center')} />
            <Attribution label="Department" inherited={parent.data?.department} value={draft.department} onChange={(department) => set({ department })} error={fault('/department')} />
          </div>
        </Card>
        <HowMuch draft={draft} parent={parent.data} set={set} fault={fault} />
        <HowLong draft={draft} parent={parent.data} set={set} fault={fault} now={now} />
        <Scope draft={draft} parent={parent.data} set={set} fault={fault} faults={refused?.problem.errors ?? []} />
        <div className={styles.submit}>
          <ButtonLink to="/delegations">Cancel</ButtonLink>
          <Button type="submit" tone="primary" isPending={create.isPending} isDisabled={!parent.data}>Delegate</Button>
        </div>
      </div>
      <Inheritance draft={draft} end={end.at} />
    </Form>
  );
}

/** Goes to the first field that is marked as wrong, or else to what the server says at the top. */
function showFault(form: HTMLFormElement | null): void {
  const field = form?.querySelector<HTMLElement>('input[aria-invalid="true"], textarea[aria-invalid="true"]');
  if (field) field.focus();
  else form?.scrollIntoView({ block: 'start' });
}

/** Set once along a path and inherited below: where the parent has one, there is nothing to choose. */
function Attribution({ label, inherited, ...props }: { label: string; inherited: string | null | undefined; value: string; onChange: (value: string) => void; error: string | undefined }) {
  if (inherited) return <TextField label={label} value={inherited} onChange={() => {}} isDisabled description="Inherited from its parent." />;
  return <TextField label={label} {...props} maxLength={256} description="Optional; inherited by all below." />;
}
