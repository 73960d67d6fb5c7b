import { skipToken, useQueries, useQuery, useQueryClient, type QueryClient } from '@tanstack/react-query';
import { useCallback, useMemo, useRef, useState } from 'react';
import { delegationKey, isFiltered, levelKey, levelQuery, matchesQuery, shapeKey, treeQuery, type Filters, type Level, type Node } from '../../api/delegations';
import { rowsFrom, type Row } from './rows';

/** What was opened, kept while one looks at another page. */
let remembered: { root: string; opened: ReadonlySet<string> } | undefined;

/** Trees up to this size open with two levels instead of one. */
const SMALL = 40;

/** The tree as it is shown: what is loaded, what is open, what fits the filters. */
export function useTree(root: string, filters: Filters) {
  const client = useQueryClient();
  const filtered = isFiltered(filters);
  const tree = useQuery(treeQuery(client, root));
  const found = useQuery({ ...matchesQuery(client, root, filters), enabled: filtered && tree.isSuccess });
  const matches = filtered ? found.data : undefined;

  const [chosen, setOpened] = useState(remembered?.root === root ? remembered.opened : undefined);
  const first = useMemo(() => (tree.isSuccess ? firstOpen(client, root) : new Set([root])), [client, root, tree.isSuccess]);
  const opened = chosen ?? first;
  // While filters are on, everything on the way to a match is open, except what was closed since.
  const [closed, setClosed] = useState<ReadonlySet<string>>(new Set());

  const expanded = useMemo(() => {
    if (!matches) return opened;
    return new Set([...Object.keys(matches.below), ...opened].filter((id) => !closed.has(id)));
  }, [matches, opened, closed]);

  const onExpandedChange = useCallback(
    (keys: ReadonlySet<string>) => {
      if (matches) {
        setClosed(new Set([...closed, ...expanded].filter((id) => !keys.has(id))));
        setOpened(new Set([...opened, ...[...keys].filter((id) => !(id in matches.below))]));
      } else {
        remembered = { root, opened: keys };
        setOpened(keys);
      }
    },
    [matches, closed, expanded, opened],
  );

  const lazy = useMemo(() => [...expanded].filter((id) => !matches?.below[id]), [expanded, matches]);
  const levels = useQueries({
    queries: lazy.map((id) => ({ ...levelQuery(client, id), enabled: tree.isSuccess })),
    combine: useCallback(
      (results: { data?: Level | undefined; isError: boolean }[]) =>
        results.map((result) => result.data ?? (result.isError ? ('failed' as const) : ('loading' as const))),
      [],
    ),
  });
  const shape = useQuery({ queryKey: shapeKey, queryFn: skipToken, initialData: 0 }).data;

  const before = useRef(new Map<string, Row>());
  const top = useMemo(() => {
    if (!tree.isSuccess) return undefined;
    const levelOf = new Map(lazy.map((id, at) => [id, levels[at] ?? ('loading' as const)]));
    void shape;
    return rowsFrom(
      root,
      {
        isOpen: (id) => expanded.has(id),
        matchesBelow: (id) => matches?.below[id],
        level: (id) => levelOf.get(id) ?? 'loading',
        node: (id) => client.getQueryData<Node>(delegationKey(id)),
      },
      before.current,
    );
  }, [tree.isSuccess, lazy, levels, shape, root, expanded, matches, client]);

  return { tree, found, matches, filtered, top, expanded, onExpandedChange };
}

function firstOpen(client: QueryClient, root: string): ReadonlySet<string> {
  const size = client.getQueryData<Node>(delegationKey(root))?.descendants ?? 0;
  const below = client.getQueryData<Level>(levelKey(root))?.ids ?? [];
  return new Set(size > SMALL ? [root] : [root, ...below]);
}
