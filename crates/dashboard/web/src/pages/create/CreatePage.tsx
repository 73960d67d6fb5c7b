import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useSearchParams } from 'react-router';
import { keep } from '../../api/delegations';
import type { CreatedDelegation } from '../../api/schema';
import { useMay, useSession } from '../../api/session';
import { ButtonLink } from '../../parts/Button';
import { Page } from '../../parts/Page';
import { Empty } from '../../parts/States';
import { Created } from './Created';
import { CreateForm } from './CreateForm';
import { draftOf } from './form';

export function CreatePage() {
  const client = useQueryClient();
  const root = useSession().tenant.root_delegation_id;
  const may = useMay();
  const [search] = useSearchParams();
  const [created, setCreated] = useState<CreatedDelegation>();
  if (!may.manageDelegations) {
    return (
      <Page title="New delegation">
        <Empty title="Your role cannot create delegations" action={<ButtonLink to="/delegations">Back to the delegations</ButtonLink>}>An owner or an administrator can.</Empty>
      </Page>
    );
  }
  if (created) return <Created created={created} />;
  const onCreated = ({ token, ...node }: CreatedDelegation) => {
    // What is remembered of it is remembered without its secret.
    keep(client, node);
    void client.invalidateQueries({ queryKey: ['level', node.parent_id] });
    setCreated({ ...node, token });
  };
  return (
    <Page title="New delegation" lead="Make a child out of any delegation: less budget, less life, less scope.">
      <CreateForm key={search.toString()} initial={draftOf(search, root)} root={root} onCreated={onCreated} />
    </Page>
  );
}
