import { Disclosure, DisclosurePanel, Button as AriaButton } from 'react-aria-components';
import type { AuditEntry } from '../../api/schema';
import { Button } from '../../parts/Button';
import type { Column } from '../../parts/DataTable';
import { Ago, None } from '../../parts/text';
import { useSearchParams } from 'react-router';
import styles from './Activity.module.css';
import { Name } from './names';

const WORDS: Record<string, string> = {
  'tenant.create': 'Created the organisation',
  'tenant.change': 'Changed the organisation’s settings',
  'service.price': 'Changed what requests at a service cost',
  'period.close': 'Closed a month',
  'period.reopen': 'Opened a month again',
  'delegation.create': 'Created a delegation',
  'delegation.adopt': 'First use of a delegation made offline',
  'delegation.update': 'Changed a delegation',
  'delegation.freeze': 'Froze a delegation',
  'delegation.unfreeze': 'Unfroze a delegation',
  'delegation.revoke': 'Revoked a delegation',
  'delegation.rotate': 'Rotated a delegation’s token',
  'root.rotate': 'Rotated the root token',
  'spend.refund': 'Refunded a spend',
  'user.create': 'Added a member',
  'user.invite': 'Invited somebody',
  'user.withdraw_invitation': 'Took an invitation back',
  'user.confirm': 'Confirmed the own address',
  'user.accept': 'Accepted an invitation',
  'user.change': 'Changed a member’s role',
  'user.remove': 'Removed a member',
  'user.password': 'Changed the password',
  'user.reset_password': 'Reset the password',
  'session.end': 'Ended sessions',
  'alert.create': 'Added an alert',
  'alert.delete': 'Deleted an alert',
  'webhook.create': 'Added a webhook',
  'webhook.delete': 'Deleted a webhook',
  'webhook.test': 'Tried a webhook',
  'service.create': 'Registered a service',
  'service.delete': 'Deleted a service',
};

/** `webhook.create` would be `Webhook: create`, if this page did not know it yet. */
function inWords(action: string): string {
  const known = WORDS[action];
  if (known) return known;
  const [thing = action, verb = ''] = action.split('.');
  return `${thing.charAt(0).toUpperCase()}${thing.slice(1).replaceAll('_', ' ')}: ${verb.replaceAll('_', ' ')}`;
}

export function useColumns(): Column<AuditEntry>[] {
  const [search, setSearch] = useSearchParams();
  const narrow = (name: 'actor' | 'target', id: string) => setSearch({ ...Object.fromEntries(search), [name]: id });
  return [
    { id: 'what', name: 'What', cell: (entry) => inWords(entry.action), csv: (entry) => entry.action },
    {
      id: 'target',
      name: 'On',
      cell: (entry) => <Named id={entry.target} known={told(entry)} onNarrow={() => narrow('target', entry.target)} />,
      csv: (entry) => entry.target,
    },
    {
      id: 'actor',
      name: 'By',
      importance: 'wide',
      cell: (entry) => <Named id={entry.actor} known={entry.actor_email} onNarrow={() => narrow('actor', entry.actor)} />,
      csv: (entry) => entry.actor_email ?? entry.actor,
    },
    { id: 'at', name: 'When', cell: (entry) => <Ago at={entry.at} />, csv: (entry) => entry.at },
    { id: 'from', name: 'From', importance: 'wide', cell: (entry) => (entry.source_ip ? <code>{entry.source_ip}</code> : <None />), csv: (entry) => entry.source_ip },
    { id: 'details', name: 'Details', importance: 'wide', cell: (entry) => <Details entry={entry} />, csv: (entry) => JSON.stringify(entry.details) },
  ];
}

/** The name that a thing had when it was done, or a webhook's address, which the entry may tell. */
function told(entry: AuditEntry): string | undefined {
  const details: Record<string, unknown> = entry.details;
  const after = typeof details['after'] === 'object' && details['after'] !== null ? (details['after'] as Record<string, unknown>) : {};
  return [details['label'], details['email'], after['url']].find((value) => typeof value === 'string');
}

function Named({ id, known, onNarrow }: { id: string; known: string | null | undefined; onNarrow: () => void }) {
  return (
    <span className={styles.named}>
      <Name id={id} known={known} />
      <Button tone="quiet" size="small" onPress={onNarrow} aria-label={`Only entries with ${known ?? id}`} icon={<FunnelIcon />} />
    </span>
  );
}

function FunnelIcon() {
  return (
    <svg width={14} height={14} viewBox="0 0 16 16" fill="none" stroke="currentColor" strokeWidth="1.5" strokeLinecap="round" strokeLinejoin="round" aria-hidden="true">
      <path d="M2.5 3.5h11l-4.200 5v4l-2.600 1v-5z" />
    </svg>
  );
}

function Details({ entry }: { entry: AuditEntry }) {
  const { details, request_id: request } = entry;
  if (Object.keys(details).length === 0 && !request) return <None />;
  return (
    <Disclosure className={styles.details ?? ''}>
      {({ isExpanded }) => (
        <>
          <AriaButton slot="trigger" className={styles.more ?? ''} aria-label={`${isExpanded ? 'Hide' : 'Show'} details of: ${inWords(entry.action)}`}>{isExpanded ? 'Hide' : 'Show'}</AriaButton>
          <DisclosurePanel>
            <pre className={styles.json}><bdi>{JSON.stringify({ ...details, ...(request ? { request_id: request } : {}) }, null, 1)}</bdi></pre>
          </DisclosurePanel>
        </>
      )}
    </Disclosure>
  );
}
