import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useRef, useState } from 'react';
import { Form } from 'react-aria-components';
import { api, newKey, ok } from '../../api/client';
import { invitationsQuery } from '../../api/members';
import { asProblem } from '../../api/problem';
import type { Invitation, Role } from '../../api/schema';
import { grantable, useSession } from '../../api/session';
import { Button } from '../../parts/Button';
import { CopyField } from '../../parts/CopyField';
import { Dialog } from '../../parts/Dialog';
import { Choice, TextField } from '../../parts/Field';
import { FormProblem, Notice } from '../../parts/States';
import { Moment } from '../../parts/text';
import { ROLES } from './roles';

const FORM = 'invite';

/** Asks for an address and a role; then shows the link, once. */
export function Invite({ isOpen, onClose }: { isOpen: boolean; onClose: () => void }) {
  const { user } = useSession();
  const [email, setEmail] = useState('');
  const [role, setRole] = useState<Role>('viewer');
  const key = useRef(newKey());
  const client = useQueryClient();
  const invite = useMutation({
    mutationFn: () => ok(api.POST('/api/cloud/invite', { body: { email: email.trim(), role }, headers: { 'Idempotency-Key': key.current } })),
    onSettled: (_, error) => {
      // Only what may have got lost on the way is repeated under the same key.
      if (!error || asProblem(error).status !== 0) key.current = newKey();
      void client.invalidateQueries({ queryKey: invitationsQuery.queryKey });
    },
  });
  const close = () => {
    onClose();
    setEmail('');
    setRole('viewer');
    invite.reset();
  };
  if (invite.data) return <Invited invitation={invite.data} isOpen={isOpen} onClose={close} />;
  const problem = invite.error ? asProblem(invite.error) : undefined;
  return (
    <Dialog
      title="Invite a member"
      isOpen={isOpen}
      onClose={close}
      footer={
        <>
          <Button onPress={close}>Cancel</Button>
          <Button tone="primary" type="submit" form={FORM} isPending={invite.isPending}>Invite</Button>
        </>
      }
    >
      <Form
        id={FORM}
        onSubmit={(event) => {
          event.preventDefault();
          invite.mutate();
        }}
      >
        <FormProblem error={problem?.problem.errors ? undefined : problem} />
        <TextField label="E-mail" type="email" value={email} onChange={setEmail} error={problem?.field('/email')} autoFocus isRequired autoComplete="off" />
        <br />
        <Choice label="Role" value={role} options={ROLES.filter(({ id }) => grantable(user.role).includes(id))} onChange={setRole} error={problem?.field('/role')} />
      </Form>
    </Dialog>
  );
}

function Invited({ invitation, isOpen, onClose }: { invitation: Invitation & { mailed?: boolean }; isOpen: boolean; onClose: () => void }) {
  const link = `${location.origin}/invite#token=${invitation.token}`;
  return (
    <Dialog title="Invitation ready" isOpen={isOpen} onClose={onClose} closing="deliberate" footer={<Button tone="primary" onPress={onClose}>Done</Button>}>
      {invitation.mailed ? (
        <Notice tone="good" title="The invitation was sent">To <bdi>{invitation.email}</bdi>. You can hand over the link yourself as well.</Notice>
      ) : (
        <p>Send this link to <bdi>{invitation.email}</bdi>. It is shown once, is for that person alone, and is good until <Moment at={invitation.expires_at} />.</p>
      )}
      <CopyField label="Invitation link" text={link} />
    </Dialog>
  );
}
