import type { Node } from '../../api/delegations';
import type { Limit, UpdateDelegation } from '../../api/schema';
import { parseCredits } from '../../lib/format';
import type { LimitDraft } from '../../parts/LimitFields';

/** The settings as they are typed. */
export interface Draft {
  label: string;
  budget: string;
  maxPerSpend: string;
  limits: LimitDraft[];
}

export function draftOf(node: Node): Draft {
  return {
    label: node.label,
    budget: String(node.budget_credits ?? ''),
    maxPerSpend: String(node.max_per_spend ?? ''),
    limits: node.limits.map((limit, at) => ({ key: `old ${at}`, credits: String(limit.credits), per: limit.per })),
  };
}

/** Only what was changed, so that nothing else is overwritten; `null` where something is not a number. */
export function changes(draft: Draft, node: Node): UpdateDelegation | null {
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
