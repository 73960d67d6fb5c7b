import { keepPreviousData, queryOptions, type QueryClient } from '@tanstack/react-query';
import { api, ok } from './client';
import type { Delegation, DelegationList, DelegationTree, Status } from './schema';

/** A node as the pages keep it. */
export interface Node extends Delegation {
  /** When it was last debited itself; `null`: never. Not every answer says so. */
  last_used_at?: string | null;
}

export interface Filters {
  q: string;
  status: Status | '';
  costCenter: string;
  department: string;
}

/** The loaded part of one level: ids only, so that each node is kept once. */
export interface Level {
  ids: string[];
  next: string | null;
}

/** Enough to fill the tallest screen; the rest of a level comes when one scrolls there. */
const PAGE = 50;

export const delegationKey = (id: string) => ['delegation', id] as const;
/** A number that changes when nodes may have got their first child. */
export const shapeKey = ['shape'] as const;
export const levelKey = (parent: string) => ['level', parent] as const;

export const delegationQuery = (id: string) =>
  queryOptions({
    queryKey: delegationKey(id),
    staleTime: 60_000,
    queryFn: async ({ signal }): Promise<Node> => {
      return ok(api.GET('/api/cloud/delegation/{id}', { params: { path: { id } }, signal }));
    },
  });

/** Keeps what a newer answer does not say: only some answers tell of usage. */
export function keep(client: QueryClient, node: Node): void {
  client.setQueryData<Node>(delegationKey(node.id), (old) => (old ? { ...old, ...node } : node));
}

/** Keeps a page's nodes, and those above them, with what it says of their use. */
function keepAll(client: QueryClient, page: DelegationList): void {
  const used = page.last_used ?? {};
  for (const node of [...page.data, ...(page.ancestors ?? [])]) keep(client, { ...node, last_used_at: used[node.id] ?? null });
}

/** The children of one node, as far as they were loaded. */
export const levelQuery = (client: QueryClient, parent: string) =>
  queryOptions({
    queryKey: levelKey(parent),
    staleTime: 60_000,
    queryFn: async ({ signal }): Promise<Level> => {
      const wanted = Math.max(PAGE, client.getQueryData<Level>(levelKey(parent))?.ids.length ?? 0);
      let level: Level = { ids: [], next: null };
      do {
        level = append(level, await fetchLevel(client, parent, level.next, signal));
      } while (level.next !== null && level.ids.length < wanted);
      return level;
    },
  });

/** Loads the next page of a level. */
export async function loadMore(client: QueryClient, parent: string): Promise<void> {
  const level = client.getQueryData<Level>(levelKey(parent));
  if (!level?.next) return;
  const more = await fetchLevel(client, parent, level.next);
  client.setQueryData<Level>(levelKey(parent), (now) => (now && now.next === level.next ? append(now, more) : now));
}

function append(level: Level, more: Level): Level {
  const known = new Set(level.ids);
  return { ids: [...level.ids, ...more.ids.filter((id) => !known.has(id))], next: more.next };
}

async function fetchLevel(client: QueryClient, parent: string, cursor: string | null, signal?: AbortSignal): Promise<Level> {
  const parameters = { parent_id: parent, limit: PAGE, with: 'last_used', ...(cursor === null ? {} : { cursor }) };
  const options = { params: { query: parameters }, ...(signal ? { signal } : {}) };
  const page = await ok(api.GET('/api/cloud/delegation', options));
  keepAll(client, page);
  return { ids: page.data.map((node) => node.id), next: page.next_cursor ?? null };
}

/** The root and what is right below it, in one request. */
export const treeQuery = (client: QueryClient, root: string) =>
  queryOptions({
    queryKey: ['tree', root],
    staleTime: Infinity,
    queryFn: async ({ signal }): Promise<string> => {
      const tree = await ok(api.GET('/api/cloud/delegation/tree', { params: { query: { root, depth: 1 } }, signal }));
      plant(client, tree);
      return tree.id;
    },
  });

function plant(client: QueryClient, tree: DelegationTree): void {
  const { children, children_next_cursor: next, ...node } = tree;
  keep(client, node);
  if (!children) return;
  // The tree does not tell when its nodes were last used: open levels are shown at once, and asked for once more.
  client.setQueryData<Level>(levelKey(tree.id), { ids: children.map((child) => child.id), next: next ?? null }, { updatedAt: 1 });
  for (const child of children) plant(client, child);
}

export interface Matches {
  ids: string[];
  /** Children of each shown node that are matches or lead to one; keys include every node above a match. */
  below: Record<string, string[]>;
  more: boolean;
}

export function isFiltered(filters: Filters): boolean {
  return filters.q !== '' || filters.status !== '' || filters.costCenter !== '' || filters.department !== '';
}

/** Up to 200 nodes that fit the filters, with everything above them. */
export const matchesQuery = (client: QueryClient, root: string, filters: Filters) =>
  queryOptions({
    queryKey: ['matches', root, filters],
    staleTime: 15_000,
    placeholderData: keepPreviousData,
    queryFn: async ({ signal }): Promise<Matches> => {
      const found: Node[] = [];
      const known = new Map<string, Node>();
      let cursor: string | null | undefined;
      do {
        const parameters = { ...wire(filters), with: 'ancestors,last_used', limit: PAGE, ...(cursor ? { cursor } : {}) };
        const page = await ok(api.GET('/api/cloud/delegation', { params: { query: parameters }, signal }));
        keepAll(client, page);
        found.push(...page.data);
        for (const node of [...page.data, ...(page.ancestors ?? [])]) known.set(node.id, node);
        cursor = page.next_cursor;
      } while (cursor && found.length < 4 * PAGE);
      return { ids: found.map((node) => node.id), below: withAncestors(found, known), more: Boolean(cursor) };
    },
  });

function wire(filters: Filters) {
  return {
    ...(filters.q === '' ? {} : { q: filters.q }),
    ...(filters.status === '' ? {} : { status: filters.status }),
    ...(filters.costCenter === '' ? {} : { cost_center: filters.costCenter }),
    ...(filters.department === '' ? {} : { department: filters.department }),
  };
}

/** For each node on a path to a match: its children on such paths, in the order of the matches. */
export function withAncestors(matches: Node[], known: Map<string, Node>): Record<string, string[]> {
  const below: Record<string, string[]> = {};
  for (const match of matches) {
    let child = match;
    for (let parent = child.parent_id; parent; ) {
      const siblings = (below[parent] ??= []);
      if (siblings.includes(child.id)) break;
      siblings.push(child.id);
      const next = known.get(parent);
      if (!next) break;
      child = next;
      parent = next.parent_id;
    }
  }
  return below;
}

/** The node and everything above it, the root first. */
export const chainQuery = (client: QueryClient, id: string) =>
  queryOptions({
    queryKey: ['chain', id],
    staleTime: Infinity,
    queryFn: async (): Promise<string[]> => {
      const chain: string[] = [];
      for (let next: string | null | undefined = id; next; ) {
        const node: Node = await client.ensureQueryData(delegationQuery(next));
        chain.unshift(node.id);
        next = node.parent_id;
      }
      return chain;
    },
  });
