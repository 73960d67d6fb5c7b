import { useState } from 'react';
import { Button } from './Button';
import { CopyField } from './CopyField';
import { Dialog } from './Dialog';
import { Checkbox } from './Field';
import { LeaveGuard } from './LeaveGuard';

/** Shows a token the one time that it can be seen, and closes only when somebody says that it is kept. */
export function TokenDialog({ title, token, detail, onClose }: { title: string; token: string; detail: string; onClose: () => void }) {
  const [kept, setKept] = useState(false);
  return (
    <>
      <Dialog
        title={title}
        isOpen
        closing="deliberate"
        role="alertdialog"
        onClose={onClose}
        footer={<Button tone="primary" isDisabled={!kept} onPress={onClose}>Done</Button>}
      >
        <p>{detail}</p>
        <CopyField label="Token" text={token} onCopied={() => setKept(true)} />
        <Checkbox isSelected={kept} onChange={setKept}>I have kept the token</Checkbox>
      </Dialog>
      {kept ? null : <LeaveGuard what="the token" detail="It cannot be shown again. You would have to rotate the delegation to get another one." />}
    </>
  );
}
