import { useQuery } from '@tanstack/react-query';
import type { DeliveryStatus, Webhook, WebhookDelivery } from '../../api/schema';
import { Button } from '../../parts/Button';
import { DataTable, type Column } from '../../parts/DataTable';
import { Dialog } from '../../parts/Dialog';
import { Empty, Failed, Loading } from '../../parts/States';
import { Ago, None } from '../../parts/text';
import { deliveriesQuery } from './queries';
import styles from './Settings.module.css';

const WORDS: Record<DeliveryStatus, [string, string | undefined]> = {
  pending: ['Under way', styles.waiting],
  delivered: ['Delivered', styles.good],
  dead: ['Given up', styles.dead],
};

export function DeliveryWord({ status, at }: { status: DeliveryStatus; at: string }) {
  const [word, look] = WORDS[status];
  return <><span className={look}>{word}</span> <span className={styles.faint}><Ago at={at} /></span></>;
}

const COLUMNS: Column<WebhookDelivery>[] = [
  { id: 'event', name: 'Event', cell: (delivery) => <code>{delivery.event}</code> },
  { id: 'status', name: 'Delivery', cell: (delivery) => <DeliveryWord status={delivery.status} at={delivery.last_attempt_at ?? delivery.created_at} /> },
  { id: 'attempts', name: 'Attempts', align: 'end', importance: 'wide', cell: (delivery) => delivery.attempts },
  { id: 'answer', name: 'Answer', cell: (delivery) => delivery.error ?? delivery.response_status ?? <None>none yet</None> },
];

/** What was sent to an address lately, and how it went. */
export function Deliveries({ webhook, onClose }: { webhook: Webhook; onClose: () => void }) {
  const deliveries = useQuery(deliveriesQuery(webhook.id));
  return (
    <Dialog title="Deliveries" isOpen onClose={onClose} width="wide" footer={<Button onPress={onClose}>Close</Button>}>
      <p><bdi className={styles.url}>{webhook.url}</bdi></p>
      {deliveries.isPending ? <Loading what="the deliveries" lines={3} /> : null}
      {deliveries.isError && !deliveries.data ? <Failed error={deliveries.error} what="The deliveries" onRetry={() => void deliveries.refetch()} /> : null}
      {deliveries.data ? (
        <DataTable caption="Deliveries, newest first" columns={COLUMNS} rows={deliveries.data} rowKey={(delivery: WebhookDelivery) => delivery.id} empty={<Empty title="Nothing was sent yet" />} />
      ) : null}
    </Dialog>
  );
}
