import type { Revocation } from '../../api/schema';
import { count, credits } from '../../lib/format';

/** From here on a slip would hurt: more than this below it or freed by it, or somebody at work with it just now. */
const DESCENDANTS = 5;
const CREDITS = 1_000;

export function needsTyping(preview: Revocation): boolean {
  return preview.descendants > DESCENDANTS || preview.credits_freed > CREDITS || preview.active_last_hour > 0;
}

/** Names may hold what no keyboard has, hence the id as well. */
export function isTyped(typed: string, node: { id: string; label: string }): boolean {
  const text = typed.trim().normalize('NFC');
  return text === node.label.trim().normalize('NFC') || text === node.id;
}

/** Whether the delegation was changed, or something was made below it, since the preview. Neither ever counts down. */
export function hasChanged(node: { version: number; descendants: number }, preview: Revocation): boolean {
  return node.version > preview.version || node.descendants > preview.descendants;
}

/** `Invalidates 14 descendants, frees 3,210 cr, 3 active in the last hour.` */
export function impact(revocation: Revocation): string {
  const parts = [`${revocation.dry_run ? 'Invalidates' : 'Invalidated'} ${revocation.descendants === 0 ? 'it alone' : `it and ${count(revocation.descendants, 'descendant')}`}`];
  parts.push(`${revocation.dry_run ? 'frees' : 'freed'} ${credits(revocation.credits_freed)} cr`);
  if (revocation.holds_voided > 0) parts.push(`${revocation.dry_run ? 'voids' : 'voided'} ${count(revocation.holds_voided, 'hold')} of ${credits(revocation.held_credits_voided)} cr`);
  parts.push(`${active(revocation.active_last_hour)} active in the last hour`);
  return `${parts.join(', ')}.`;
}

/** The server counts no further. */
const MOST_ACTIVE = 250;

function active(nodes: number): string {
  if (nodes === 0) return 'none';
  return nodes < MOST_ACTIVE ? String(nodes) : `${MOST_ACTIVE} or more`;
}
