import type { QueryClient } from '@tanstack/react-query';
import { createParser } from 'eventsource-parser';
import { delegationKey, keep, levelKey, shapeKey, type Level, type Node } from './delegations';
import type { Event } from './schema';

export type LiveState = 'connecting' | 'live' | 'stale';

/** The server sends at least a comment every 15 seconds; a stream that says nothing for longer is not believed. */
const SILENCE_MS = 25_000;
const RETRY_MS = [500, 1_000, 2_000, 5_000, 10_000];

/**
 * Follows the tenant's events until `stop` is called. It is read by `fetch` and not by `EventSource`, which hides the
 * comments that tell a quiet stream from a dead one.
 */
export function follow(onEvent: (event: Event) => void, onState: (state: LiveState) => void): () => void {
  let last: string | undefined;
  let failures = 0;
  let stopped = false;
  let current: AbortController | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;

  const connect = async (): Promise<void> => {
    const attempt = new AbortController();
    current = attempt;
    let silence: ReturnType<typeof setTimeout> | undefined;
    const heard = () => {
      clearTimeout(silence);
      silence = setTimeout(() => attempt.abort(), SILENCE_MS);
    };
    try {
      heard();
      const headers: Record<string, string> = { Accept: 'text/event-stream', ...(last ? { 'Last-Event-ID': last } : {}) };
      const response = await fetch('/api/cloud/event', { headers, credentials: 'same-origin', signal: attempt.signal });
      if (!response.ok || !response.body) throw new Error(`status ${response.status}`);
      const parser = createParser({
        onEvent: (message) => {
          if (message.id) last = message.id;
          onEvent(JSON.parse(message.data) as Event);
        },
      });
      onState('live');
      failures = 0;
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) {
        heard();
        parser.feed(chunk.value);
      }
    } catch {
      // Whatever ended it, the stream is resumed after the last event that was seen.
    } finally {
      clearTimeout(silence);
    }
    if (stopped || attempt !== current) return;
    onState('stale');
    timer = setTimeout(() => void connect(), RETRY_MS[Math.min(failures++, RETRY_MS.length - 1)]);
  };

  /** A tab that nobody sees lets go of its connection: browsers open six to a server, however many tabs there are. */
  const onVisibility = () => {
    clearTimeout(timer);
    const abandoned = current;
    current = undefined;
    abandoned?.abort();
    if (document.visibilityState === 'visible') void connect();
  };
  document.addEventListener('visibilitychange', onVisibility);
  window.addEventListener('online', onVisibility);
  if (document.visibilityState === 'visible') void connect();

  return () => {
    stopped = true;
    clearTimeout(timer);
    current?.abort();
    document.removeEventListener('visibilitychange', onVisibility);
    window.removeEventListener('online', onVisibility);
  };
}

/** Brings what is in memory up to date with one event. */
export function apply(client: QueryClient, event: Event): void {
  for (const node of event.delegations) keep(client, node);
  switch (event.kind) {
    case 'stream.reset':
      void client.invalidateQueries();
      return;
    case 'stream.closed':
      void client.invalidateQueries({ queryKey: ['session'] });
      return;
    case 'delegation.created':
    case 'delegation.adopted':
      for (const node of event.delegations) if (node.id === event.delegation_id) addToLevel(client, node);
      break;
    case 'delegation.revoked':
    case 'delegation.frozen':
    case 'delegation.unfrozen':
    case 'delegation.expired':
      // Those below are not listed in the event: what is loaded of them is asked for anew.
      void client.invalidateQueries({ queryKey: ['level'] });
      void client.invalidateQueries({ queryKey: ['delegation'], refetchType: 'active' });
      break;
    case 'spend.recorded':
    case 'spend.refunded':
      markUsed(client, event.data.delegation_id, event.at);
      break;
    case 'spend.summary':
      for (const sum of event.data.by_delegation) markUsed(client, sum.delegation_id, event.at);
      break;
  }
  outdate(client, event.kind);
}

function addToLevel(client: QueryClient, node: Node): void {
  if (!node.parent_id) return;
  client.setQueryData<number>(shapeKey, (shape = 0) => shape + 1);
  client.setQueryData<Level>(levelKey(node.parent_id), (level) => {
    // A level of which more is to come gets the newest child, which is its last, with its last page.
    if (!level || level.next !== null || level.ids.includes(node.id)) return level;
    return { ...level, ids: [...level.ids, node.id] };
  });
}

function markUsed(client: QueryClient, id: string, at: string): void {
  client.setQueryData<Node>(delegationKey(id), (node) => (node ? { ...node, last_used_at: at } : node));
}

const waiting = new Set<string>();
let pause: ReturnType<typeof setTimeout> | undefined;

/** Lists and reports are asked for again, but however much happens not more than every second and a half. */
function outdate(client: QueryClient, kind: string): void {
  const thing = kind.split('.')[0] ?? '';
  waiting.add('audit');
  if (thing === 'spend') for (const key of ['ledger', 'report', 'forecast', 'alert']) waiting.add(key);
  if (thing === 'hold') waiting.add('hold');
  if (thing === 'user') waiting.add('user');
  if (thing === 'delegation' || thing === 'root') for (const key of ['matches', 'token', 'hold']) waiting.add(key);
  pause ??= setTimeout(() => {
    pause = undefined;
    for (const key of waiting) void client.invalidateQueries({ queryKey: [key] });
    waiting.clear();
  }, 1_500);
}
