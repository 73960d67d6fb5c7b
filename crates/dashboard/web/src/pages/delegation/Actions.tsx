import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api, ok } from '../../api/client';
import { keep, type Node } from '../../api/delegations';
import { useMay } from '../../api/session';
import { Button, ButtonLink } from '../../parts/Button';
import { Dialog } from '../../parts/Dialog';
import { PlusIcon } from '../../parts/icons';
import { announce, complain } from '../../parts/Toast';
import { ChangeDialog } from './ChangeDialog';
import { RevokeDialog } from './RevokeDialog';
import { RotateDialog } from './RotateDialog';

type Asking = 'change' | 'freeze' | 'rotate' | 'revoke';

/** What can be done to the node, by somebody who may, in the state that it is in. */
export function Actions({ node }: { node: Node }) {
  const client = useQueryClient();
  const may = useMay();
  const [asking, setAsking] = useState<Asking>();
  const close = () => setAsking(undefined);
  const path = { id: node.id };
  const freeze = useMutation({
    mutationFn: (verb: 'freeze' | 'unfreeze') => ok(api.POST(`/api/cloud/delegation/{id}/${verb}`, { params: { path }, body: {} })),
    onSuccess: (changed, verb) => {
      keep(client, changed);
      announce(verb === 'freeze' ? 'Frozen' : 'Goes on');
      close();
    },
    onError: complain,
  });
  const over = node.status === 'revoked' || node.status === 'expired';
  const isRoot = !node.parent_id;
  const frozenHere = node.status === 'frozen' && !node.deactivated_by;
  if (!may.manageDelegations || over) return null;
  return (
    <>
      {node.status === 'active' ? <ButtonLink tone="primary" to={`/delegations/new?parent=${node.id}`} icon={<PlusIcon />}>Delegate from it</ButtonLink> : null}
      {isRoot ? null : (
        <>
          <Button onPress={() => setAsking('change')}>Change…</Button>
          {frozenHere ? (
            <Button onPress={() => freeze.mutate('unfreeze')} isPending={freeze.isPending}>Unfreeze</Button>
          ) : (
            <Button onPress={() => setAsking('freeze')} isDisabled={node.status === 'frozen'}>Freeze…</Button>
          )}
          <Button onPress={() => setAsking('rotate')}>Rotate…</Button>
          <Button tone="grave" onPress={() => setAsking('revoke')}>Revoke…</Button>
        </>
      )}
      {asking === 'change' ? <ChangeDialog node={node} onClose={close} /> : null}
      <RotateDialog node={node} isOpen={asking === 'rotate'} onClose={close} />
      <RevokeDialog node={node} isOpen={asking === 'revoke'} onClose={close} />
      <Dialog
        role="alertdialog"
        title={<>Freeze <bdi>{node.label}</bdi>?</>}
        isOpen={asking === 'freeze'}
        onClose={close}
        footer={
          <>
            <Button onPress={close}>Cancel</Button>
            <Button tone="primary" onPress={() => freeze.mutate('freeze')} isPending={freeze.isPending}>Freeze</Button>
          </>
        }
      >
        <p>It and everything below it stops at once, and open holds end. Nothing goes back to its parent; it goes on when you unfreeze it.</p>
      </Dialog>
    </>
  );
}
