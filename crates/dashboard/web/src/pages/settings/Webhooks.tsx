import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { Form } from 'react-aria-components';
import { api, ok } from '../../api/client';
import { asProblem } from '../../api/problem';
import type { Webhook } from '../../api/schema';
import { Button } from '../../parts/Button';
import { CopyField } from '../../parts/CopyField';
import { DataTable, type Column } from '../../parts/DataTable';
import { Dialog } from '../../parts/Dialog';
import { TextField } from '../../parts/Field';
import { PlusIcon } from '../../parts/icons';
import { Empty, FormProblem } from '../../parts/States';
import { Label, None } from '../../parts/text';
import { announce, complain } from '../../parts/Toast';
import { Deliveries, DeliveryWord } from './Deliveries';
import { webhooksQuery } from './queries';
import { Section } from './Section';
import styles from './Settings.module.css';

/** Addresses that are told of alerts. */
export function Webhooks() {
  const client = useQueryClient();
  const webhooks = useQuery(webhooksQuery);
  const [adding, setAdding] = useState(false);
  const [shown, setShown] = useState<Webhook | null>(null);
  const refresh = () => void client.invalidateQueries({ queryKey: webhooksQuery.queryKey });
  const remove = useMutation({
    mutationFn: (webhook: Webhook) => ok(api.DELETE('/api/cloud/webhook/{id}', { params: { path: { id: webhook.id } } })),
    onSuccess: () => {
      refresh();
      announce('The webhook was deleted');
    },
    onError: complain,
  });
  const test = useMutation({
    mutationFn: (webhook: Webhook) => ok(api.POST('/api/cloud/webhook/{id}/test', { params: { path: { id: webhook.id } }, body: {} })),
    onSuccess: (_, webhook) => {
      refresh();
      setShown(webhook);
    },
    onError: complain,
  });
  const columns: Column<Webhook>[] = [
    {
      id: 'url',
      name: 'Address',
      cell: (webhook) => (
        <>
          <bdi className={styles.url}>{webhook.url}</bdi>
          {webhook.description ? <span className={styles.faint}><Label>{webhook.description}</Label></span> : null}
        </>
      ),
    },
    { id: 'last', name: 'Last delivery', importance: 'wide', cell: (webhook) => (webhook.last_delivery ? <DeliveryWord status={webhook.last_delivery.status} at={webhook.last_delivery.at} /> : <None>never</None>) },
    {
      id: 'act',
      name: 'Actions',
      align: 'end',
      cell: (webhook) => (
        <span className={styles.acts}>
          <Button size="small" tone="quiet" onPress={() => test.mutate(webhook)} aria-label={`Send a test to ${webhook.url}`}>Test</Button>
          <Button size="small" tone="quiet" onPress={() => setShown(webhook)} aria-label={`Deliveries to ${webhook.url}`}>Deliveries</Button>
          <Button size="small" tone="quiet" onPress={() => remove.mutate(webhook)} aria-label={`Delete the webhook ${webhook.url}`}>Delete</Button>
        </span>
      ),
    },
  ];
  return (
    <>
      <Section
        title="Webhooks"
        what="webhooks"
        query={webhooks}
        padding="none"
        actions={<Button size="small" icon={<PlusIcon size={14} />} onPress={() => setAdding(true)}>Add a webhook</Button>}
      >
        {(list) => (
          <DataTable
            caption="Webhooks"
            columns={columns}
            rows={list}
            rowKey={(webhook: Webhook) => webhook.id}
            empty={<Empty title="No webhooks">Alerts are posted to them as JSON, signed by the Standard Webhooks rules.</Empty>}
          />
        )}
      </Section>
      {adding ? <NewWebhook onClose={() => setAdding(false)} onAdded={refresh} /> : null}
      {shown ? <Deliveries webhook={shown} onClose={() => setShown(null)} /> : null}
    </>
  );
}

function NewWebhook({ onClose, onAdded }: { onClose: () => void; onAdded: () => void }) {
  const [url, setUrl] = useState('');
  const [description, setDescription] = useState('');
  const add = useMutation({
    mutationFn: () => ok(api.POST('/api/cloud/webhook', { body: { url: url.trim(), ...(description.trim() === '' ? {} : { description: description.trim() }) } })),
    onSuccess: onAdded,
  });
  if (add.data) {
    return (
      <Dialog title="Keep the webhook’s secret" isOpen onClose={onClose} closing="deliberate" footer={<Button tone="primary" onPress={onClose}>Done</Button>}>
        <p>Every delivery is signed with it, so that the receiver can tell that it came from here. It is shown this one time.</p>
        <CopyField label="Signing secret" text={add.data.secret} />
      </Dialog>
    );
  }
  const problem = add.error ? asProblem(add.error) : undefined;
  return (
    <Dialog
      title="Add a webhook"
      isOpen
      onClose={onClose}
      footer={
        <>
          <Button onPress={onClose}>Cancel</Button>
          <Button tone="primary" type="submit" form="webhook" isPending={add.isPending} isDisabled={url.trim() === ''}>Add</Button>
        </>
      }
    >
      <Form
        id="webhook"
        className={styles.form ?? ''}
        onSubmit={(event) => {
          event.preventDefault();
          add.mutate();
        }}
      >
        <FormProblem error={problem?.problem.errors ? undefined : problem} />
        <TextField label="Address" type="url" value={url} onChange={setUrl} error={problem?.field('/url')} placeholder="https://example.com/hooks/subgrant" isRequired autoFocus />
        <TextField label="Description" value={description} onChange={setDescription} error={problem?.field('/description')} />
      </Form>
    </Dialog>
  );
}
