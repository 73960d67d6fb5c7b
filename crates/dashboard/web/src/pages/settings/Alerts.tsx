import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { Link } from 'react-router';
import { api, ok } from '../../api/client';
import type { Alert } from '../../api/schema';
import { useMay } from '../../api/session';
import { credits, share } from '../../lib/format';
import { Button } from '../../parts/Button';
import { DataTable, type Column } from '../../parts/DataTable';
import { PlusIcon } from '../../parts/icons';
import { Empty } from '../../parts/States';
import { Ago, Label, None } from '../../parts/text';
import { announce, complain } from '../../parts/Toast';
import { NewAlertDialog } from './NewAlert';
import { alertsQuery } from './queries';
import { Section } from './Section';

/** When to send word that much was spent. */
export function Alerts() {
  const client = useQueryClient();
  const alerts = useQuery(alertsQuery);
  const may = useMay();
  const [adding, setAdding] = useState(false);
  const remove = useMutation({
    mutationFn: (alert: Alert) => ok(api.DELETE('/api/cloud/alert/{id}', { params: { path: { id: alert.id } } })),
    onSuccess: (_, alert) => {
      client.setQueryData(alertsQuery.queryKey, (list) => list?.filter((other) => other.id !== alert.id));
      announce('The alert was deleted');
    },
    onError: complain,
  });
  const columns: Column<Alert>[] = [
    { id: 'on', name: 'Delegation', cell: (alert) => <Link to={`/delegations/${alert.delegation_id}`}><Label>{alert.delegation_label}</Label></Link> },
    { id: 'when', name: 'When', cell: (alert) => condition(alert) },
    { id: 'now', name: 'Now', importance: 'wide', cell: (alert) => standing(alert) },
    { id: 'fired', name: 'Last sent', importance: 'wide', cell: (alert) => (alert.last_fired_at ? <Ago at={alert.last_fired_at} /> : <None>never</None>) },
    ...(may.manageAlerts
      ? [{
          id: 'delete', name: 'Delete', align: 'end' as const,
          cell: (alert: Alert) => (
            <Button size="small" tone="quiet" onPress={() => remove.mutate(alert)} aria-label={`Delete the alert on ${alert.delegation_label}: ${condition(alert)}`}>Delete</Button>
          ),
        }]
      : []),
  ];
  return (
    <>
      <Section
        title="Alerts"
        what="alerts"
        query={alerts}
        padding="none"
        actions={may.manageAlerts ? <Button size="small" icon={<PlusIcon size={14} />} onPress={() => setAdding(true)}>Add an alert</Button> : null}
      >
        {(list) => (
          <DataTable
            caption="Alerts"
            columns={columns}
            rows={list}
            rowKey={(alert: Alert) => alert.id}
            empty={<Empty title="No alerts">Be told before a budget is used up, once for each threshold.</Empty>}
          />
        )}
      </Section>
      {adding ? <NewAlertDialog onClose={() => setAdding(false)} /> : null}
    </>
  );
}

function condition(alert: Alert): string {
  switch (alert.kind) {
    case 'budget':
      return `${alert.percent}% of the budget is spent or held`;
    case 'limit':
      return `${alert.percent}% of the limit per ${alert.per} is spent`;
    case 'spend':
      return `${credits(alert.credits)} credits are spent${alert.per ? ` within a ${alert.per}` : ''}`;
  }
}

function standing({ current_credits: current, of_credits: of }: Alert): string {
  if (typeof current !== 'number') return '–';
  return typeof of === 'number' ? `${credits(current)} of ${credits(of)} (${share(current, of)})` : credits(current);
}
