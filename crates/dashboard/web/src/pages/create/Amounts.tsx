import type { Node } from '../../api/delegations';
import { credits, moment, parseCredits } from '../../lib/format';
import { Choice, TextField } from '../../parts/Field';
import { Card } from '../../parts/Page';
import { Notice } from '../../parts/States';
import { endOf, PRESETS, type Draft } from './form';

interface PartProps {
  draft: Draft;
  parent: Node | undefined;
  set: (part: Partial<Draft>) => void;
  fault: (pointer: string) => string | undefined;
}

const ALLOCATIONS = [
  { id: 'carve', name: 'Carve', note: 'The budget is set aside now, so that nobody else can spend it.' },
  { id: 'cap', name: 'Cap', note: 'Nothing is set aside: it shares with its siblings and stops at this amount, or earlier where they were faster.' },
] as const;

/** The budget, and where it comes from. */
export function HowMuch({ draft, parent, set, fault }: PartProps) {
  const amount = parseCredits(draft.budget);
  const left = parent?.available_credits;
  const tooMuch = draft.allocation === 'carve' && amount !== null && typeof left === 'number' && amount > left;
  return (
    <Card title="How much">
      <TextField
        label="Budget" isRequired inputMode="numeric" suffix="credits" value={draft.budget} onChange={(budget) => set({ budget })} error={fault('/budget_credits')}
        description={typeof left === 'number' ? `${credits(left)} credits are available of the parent's budget.` : 'The parent has no limit of its own.'}
      />
      {tooMuch ? <Notice tone="warn">That is more than the parent has available: {credits(left)} credits. Lower it, raise the parent, or choose <em>cap</em>.</Notice> : null}
      <Choice label="Allocation" value={draft.allocation} options={ALLOCATIONS} onChange={(allocation) => set({ allocation })} error={fault('/allocation')} />
    </Card>
  );
}

/** Its life, which never is longer than its parent's. */
export function HowLong({ draft, parent, set, fault, now }: PartProps & { now: number }) {
  const end = endOf(draft, parent ?? {}, now);
  const latest = parent?.expires_at;
  const options = [...PRESETS, { id: 'never', name: latest ? 'With its parent' : 'Never' }, { id: 'custom', name: 'Custom' }] as const;
  const isCustom = draft.expiry === 'custom';
  return (
    <Card title="How long">
      <Choice
        label="Expires after" look="segments" value={draft.expiry} options={options} onChange={(expiry) => set({ expiry })} error={isCustom ? undefined : fault('/expiry')}
        description={end.at === null ? 'It lives until it is revoked.' : `Ends ${moment(end.at)}${end.capped ? ', with its parent' : ''}.`}
      />
      {isCustom ? (
        <TextField
          label="Ends at" type="datetime-local" value={draft.customExpiry} onChange={(customExpiry) => set({ customExpiry })} error={fault('/expiry')}
          description={latest ? `At the latest ${moment(latest)}, when its parent ends.` : 'In your time zone.'}
        />
      ) : null}
    </Card>
  );
}
