import type { Action, Allocation, CreateDelegation } from '../../api/schema';
import { parseCredits } from '../../lib/format';
import type { LimitDraft } from '../../parts/LimitFields';

export const PRESETS = [
  { id: '1h', name: '1 hour', hours: 1 },
  { id: '24h', name: '24 hours', hours: 24 },
  { id: '7d', name: '7 days', hours: 168 },
  { id: '30d', name: '30 days', hours: 720 },
  { id: '90d', name: '90 days', hours: 2_160 },
] as const;

export type ExpiryChoice = (typeof PRESETS)[number]['id'] | 'never' | 'custom';

export const ACTIONS: readonly { id: Action; name: string }[] = [
  { id: 'spend', name: 'Spend: debit and hold credits' },
  { id: 'delegate', name: 'Delegate: create delegations below it' },
  { id: 'read', name: 'Read: see its own balance, ledger and what is below it' },
];

/** The form as it is typed. */
export interface Draft {
  parent: string;
  label: string;
  budget: string;
  allocation: Allocation;
  costCenter: string;
  department: string;
  expiry: ExpiryChoice;
  /** `YYYY-MM-DDTHH:MM` in the browser's time zone, as date fields write it. */
  customExpiry: string;
  limits: LimitDraft[];
  maxPerSpend: string;
  maxDepth: string;
  /** `null`: all that the parent may. */
  actions: Action[] | null;
  caveats: string;
}

/** What an address such as `/delegations/new?parent=…&budget=…` fills in. */
export function draftOf(search: URLSearchParams, root: string): Draft {
  const expiry = search.get('expiry') ?? '';
  const preset = PRESETS.find((known) => known.id === expiry || `${known.hours}h` === expiry);
  return {
    parent: search.get('parent') ?? root,
    label: search.get('label') ?? '',
    budget: search.get('budget') ?? '',
    allocation: search.get('allocation') === 'cap' ? 'cap' : 'carve',
    costCenter: search.get('cost_center') ?? '',
    department: search.get('department') ?? '',
    expiry: preset?.id ?? (expiry === 'never' ? 'never' : '30d'),
    customExpiry: '',
    limits: [],
    maxPerSpend: '',
    maxDepth: '',
    actions: null,
    caveats: search.getAll('caveat').join('\n'),
  };
}

interface ParentLife {
  expires_at?: string | null;
}

/** When the child would end; `null`: never. Nothing outlives its parent. */
export function endOf(draft: Draft, parent: ParentLife, now: number): { at: string | null; capped: boolean } {
  const latest = parent.expires_at ?? null;
  const wanted = wantedEnd(draft, now);
  if (latest !== null && (wanted === null || wanted > new Date(latest).getTime())) return { at: latest, capped: true };
  return { at: wanted === null ? null : new Date(wanted).toISOString(), capped: false };
}

function wantedEnd(draft: Draft, now: number): number | null {
  const preset = PRESETS.find((known) => known.id === draft.expiry);
  if (preset) return now + preset.hours * 3_600_000;
  const custom = draft.expiry === 'custom' ? new Date(draft.customExpiry).getTime() : NaN;
  return Number.isNaN(custom) ? null : custom;
}

/** What is wrong with it as far as that is known here, by the pointers that the server uses too. */
export function faultsOf(draft: Draft, parent: ParentLife, now: number): Record<string, string> {
  const faults: Record<string, string> = {};
  if (draft.label.trim() === '') faults['/label'] = 'Give it a name.';
  if (parseCredits(draft.budget) === null) faults['/budget_credits'] = 'A whole number of credits, at least 1.';
  if (draft.maxPerSpend !== '' && parseCredits(draft.maxPerSpend) === null) faults['/max_per_spend'] = 'A whole number of credits, at least 1.';
  if (draft.maxDepth !== '' && !/^\d{1,2}$/.test(draft.maxDepth.trim())) faults['/max_depth'] = 'A small whole number; 0 for none.';
  draft.limits.forEach((limit, at) => {
    if (parseCredits(limit.credits) === null) faults[`/limits/${at}/credits`] = 'A whole number of credits, at least 1.';
  });
  if (draft.actions?.length === 0) faults['/actions'] = 'Choose at least one.';
  if (draft.expiry === 'custom') {
    const at = wantedEnd(draft, now);
    if (at === null) faults['/expiry'] = 'Choose a day and a time.';
    else if (at <= now) faults['/expiry'] = 'Choose a time in the future.';
    else if (parent.expires_at && at > new Date(parent.expires_at).getTime()) faults['/expiry'] = 'It cannot outlive its parent.';
  }
  return faults;
}

/** The request; only for a draft without faults. What is inherited anyway is left out. */
export function bodyOf(draft: Draft, parent: ParentLife & { cost_center?: string | null; department?: string | null }, now: number): CreateDelegation {
  const end = endOf(draft, parent, now);
  const preset = PRESETS.find((known) => known.id === draft.expiry);
  const caveats = draft.caveats.split('\n').map((line) => line.trim()).filter((line) => line !== '');
  const maxPerSpend = parseCredits(draft.maxPerSpend);
  return {
    parent_id: draft.parent,
    label: draft.label.trim(),
    budget_credits: parseCredits(draft.budget) ?? 0,
    allocation: draft.allocation,
    ...(draft.costCenter.trim() !== '' && !parent.cost_center ? { cost_center: draft.costCenter.trim() } : {}),
    ...(draft.department.trim() !== '' && !parent.department ? { department: draft.department.trim() } : {}),
    // A duration is counted by the server's clock, from the moment of minting.
    ...(end.capped || end.at === null ? {} : { expiry: preset ? `${preset.hours}h` : end.at }),
    ...(draft.limits.length > 0 ? { limits: draft.limits.map(({ credits, per }) => ({ per, credits: parseCredits(credits) ?? 0 })) } : {}),
    ...(maxPerSpend === null ? {} : { max_per_spend: maxPerSpend }),
    ...(draft.maxDepth.trim() === '' ? {} : { max_depth: Number(draft.maxDepth) }),
    ...(draft.actions === null ? {} : { actions: draft.actions }),
    ...(caveats.length > 0 ? { caveats } : {}),
  };
}
