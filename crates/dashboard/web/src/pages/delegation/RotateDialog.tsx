import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api, ok } from '../../api/client';
import type { Node } from '../../api/delegations';
import { moment } from '../../lib/format';
import { Button } from '../../parts/Button';
import { Dialog } from '../../parts/Dialog';
import { Choice } from '../../parts/Field';
import { FormProblem } from '../../parts/States';
import { TokenDialog } from '../../parts/TokenDialog';

const GRACES = [
  { id: 'none', name: 'End them now', note: 'If one may be in wrong hands. Whoever still uses it is refused at once.' },
  { id: '1h', name: 'Keep them for an hour', note: 'Time to replace them where they are used.' },
  { id: '24h', name: 'Keep them for a day', note: 'For agents that are restarted once a day.' },
] as const;

type Grace = (typeof GRACES)[number]['id'];

/** A new token for the same node: its budget, its spending and everything below it stay. */
export function RotateDialog({ node, isOpen, onClose }: { node: Node; isOpen: boolean; onClose: () => void }) {
  const client = useQueryClient();
  const [grace, setGrace] = useState<Grace>('1h');
  const rotate = useMutation({
    mutationFn: () => ok(api.POST('/api/cloud/delegation/{id}/rotate', { params: { path: { id: node.id } }, body: grace === 'none' ? {} : { grace } })),
    onSuccess: () => client.invalidateQueries({ queryKey: ['token', node.id] }),
    gcTime: 0,
  });
  const close = () => {
    rotate.reset();
    onClose();
  };
  if (rotate.data) {
    const until = grace === 'none' ? 'Its older tokens have ended.' : `Its older tokens are good until ${moment(rotate.data.previous_valid_until)}.`;
    return <TokenDialog title="The new token" token={rotate.data.token} detail={`It is shown this one time. ${until}`} onClose={close} />;
  }
  return (
    <Dialog
      title={<>Rotate the token of <bdi>{node.label}</bdi></>}
      isOpen={isOpen}
      onClose={close}
      footer={
        <>
          <Button onPress={close}>Cancel</Button>
          <Button tone="primary" onPress={() => rotate.mutate()} isPending={rotate.isPending}>Make a new token</Button>
        </>
      }
    >
      <FormProblem error={rotate.error} />
      <Choice label="Its older tokens" value={grace} options={GRACES} onChange={setGrace} />
    </Dialog>
  );
}
