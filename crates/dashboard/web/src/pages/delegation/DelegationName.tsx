import { useQuery } from '@tanstack/react-query';
import { delegationQuery } from '../../api/delegations';
import { Label } from '../../parts/text';

/** A delegation by its name, once that is known. */
export function DelegationName({ id }: { id: string }) {
  const node = useQuery(delegationQuery(id)).data;
  return node ? <Label>{node.label}</Label> : <code>{id}</code>;
}
