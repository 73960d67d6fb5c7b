import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { api, ok } from '../../api/client';
import type { RotatedRoot } from '../../api/schema';
import { Button } from '../../parts/Button';
import { CopyField } from '../../parts/CopyField';
import { Dialog } from '../../parts/Dialog';
import { Checkbox, Choice } from '../../parts/Field';
import { KeyIcon } from '../../parts/icons';
import { LeaveGuard } from '../../parts/LeaveGuard';
import { Card } from '../../parts/Page';
import { FormProblem, Notice } from '../../parts/States';
import { Moment } from '../../parts/text';

type Grace = 'none' | '1h' | '24h';

const GRACES = [
  { id: 'none', name: 'End it now', note: 'If it may be in wrong hands. Whoever still uses it is refused at once.' },
  { id: '1h', name: 'Keep it for an hour', note: 'Time to replace it where it is used.' },
  { id: '24h', name: 'Keep it for a day' },
] as const;

/** The token above all others: replaced here, and shown once. */
export function RootToken() {
  const [asking, setAsking] = useState(false);
  const [grace, setGrace] = useState<Grace>('1h');
  const rotate = useMutation({
    mutationFn: () => ok(api.POST('/api/cloud/root/rotate', { body: grace === 'none' ? {} : { grace } })),
  });
  const close = () => {
    setAsking(false);
    setGrace('1h');
    rotate.reset();
  };
  return (
    <Card title="Root token" actions={<Button icon={<KeyIcon />} onPress={() => setAsking(true)}>Replace…</Button>}>
      <p>It has no limit and is above every delegation: for administration only. Replacing it does not end the tokens of delegations.</p>
      {rotate.data ? (
        <NewToken rotated={rotate.data} onClose={close} />
      ) : (
        <Dialog
          title="Replace the root token?"
          isOpen={asking}
          onClose={close}
          footer={
            <>
              <Button onPress={close}>Cancel</Button>
              <Button tone="primary" onPress={() => rotate.mutate()} isPending={rotate.isPending}>Make a new token</Button>
            </>
          }
        >
          <FormProblem error={rotate.error} />
          <Choice label="The token until now" value={grace} options={GRACES} onChange={setGrace} />
        </Dialog>
      )}
    </Card>
  );
}

function NewToken({ rotated, onClose }: { rotated: RotatedRoot; onClose: () => void }) {
  const [kept, setKept] = useState(false);
  return (
    <Dialog title="Keep your new root token" isOpen onClose={onClose} closing="deliberate" footer={<Button tone="primary" isDisabled={!kept} onPress={onClose}>Done</Button>}>
      <p>It is shown this one time. The token until now is good until <Moment at={rotated.previous_valid_until} />.</p>
      <CopyField label="Root token" text={rotated.root_token} onCopied={() => setKept(true)} />
      <Notice tone="warn">Agents never get this token: give each a delegation of its own.</Notice>
      <Checkbox isSelected={kept} onChange={setKept}>I have kept the token in a safe place</Checkbox>
      <LeaveGuard what="the root token" detail="It cannot be shown again. You would have to make another one." />
    </Dialog>
  );
}
