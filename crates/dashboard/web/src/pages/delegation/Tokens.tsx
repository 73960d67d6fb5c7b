import { useQuery } from '@tanstack/react-query';
import { api, ok } from '../../api/client';
import type { IssuedToken } from '../../api/schema';
import { DataTable, type Column } from '../../parts/DataTable';
import { Empty, Failed, Loading } from '../../parts/States';
import { Moment } from '../../parts/text';

const COLUMNS: Column<IssuedToken>[] = [
  { id: 'issued', name: 'Issued', cell: (token) => <Moment at={token.issued_at} /> },
  { id: 'valid', name: 'Valid', cell: (token) => (token.is_valid ? 'Yes' : 'No') },
  { id: 'until', name: 'Until', cell: (token) => (token.valid_until ? <Moment at={token.valid_until} /> : 'As long as the delegation') },
];

/** Which tokens were written for the node. The tokens themselves are stored nowhere. */
export function Tokens({ id }: { id: string }) {
  const tokens = useQuery({
    queryKey: ['token', id],
    queryFn: ({ signal }) => ok(api.GET('/api/cloud/delegation/{id}/token', { params: { path: { id } }, signal })),
  });
  if (tokens.isPending) return <Loading what="the tokens" />;
  if (tokens.isError) return <Failed error={tokens.error} what="The tokens" onRetry={() => void tokens.refetch()} />;
  return <DataTable caption="Tokens" columns={COLUMNS} rows={tokens.data.data} rowKey={(token) => token.issued_at} empty={<Empty title="No tokens">None was written for it yet.</Empty>} />;
}
