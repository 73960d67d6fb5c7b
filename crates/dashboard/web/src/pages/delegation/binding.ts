import type { Node } from '../../api/delegations';

export interface Level {
  node: Node;
  /** The most that the last node of the chain may still spend as far as this level is concerned; `null`: it does not limit it. */
  allows: number | null;
  binds: boolean;
}

/**
 * What each level of a chain (root first) leaves to its last node: its own remaining budget and, above every `cap` edge, what
 * the parent has available. What was carved for the child is set aside, so that the parent does not limit it further. The
 * same rule as `domain::effective_remaining`. Nothing binds what is over.
 */
export function effectiveLevels(chain: Node[]): Level[] {
  const dead = chain.at(-1)?.status === 'revoked' || chain.at(-1)?.status === 'expired';
  const levels = chain.map((node, at): Level => {
    const next = chain[at + 1];
    const allows = next === undefined ? node.remaining_credits : next.allocation === 'cap' ? node.available_credits : null;
    return { node, allows: allows ?? null, binds: false };
  });
  let least: Level | undefined;
  // Of equals the one nearest to the node is named.
  if (dead) return levels;
  for (const level of levels) if (level.allows !== null && level.allows <= (least?.allows ?? Infinity)) least = level;
  return levels.map((level) => (level === least ? { ...level, binds: true } : level));
}
