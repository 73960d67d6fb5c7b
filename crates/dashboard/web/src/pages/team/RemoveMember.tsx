import { useMutation, useQueryClient } from '@tanstack/react-query';
import { api, ok } from '../../api/client';
import { membersQuery } from '../../api/members';
import type { Member } from '../../api/schema';
import { sessionKey } from '../../api/session';
import { Button } from '../../parts/Button';
import { Dialog } from '../../parts/Dialog';
import { FormProblem } from '../../parts/States';
import { announce } from '../../parts/Toast';

/** Asks once more before somebody's membership ends. */
export function RemoveMember({ member, self, onClose }: { member: Member; self: boolean; onClose: () => void }) {
  const client = useQueryClient();
  const remove = useMutation({
    mutationFn: () => ok(api.DELETE('/api/cloud/user/{id}', { params: { path: { id: member.id } } })),
    onSuccess: () => {
      client.setQueryData(membersQuery.queryKey, (members) => members?.filter((other) => other.id !== member.id));
      onClose();
      if (self) {
        client.setQueryData(sessionKey, null);
      } else {
        announce(`${member.email} is no longer a member`);
      }
    },
  });
  return (
    <Dialog
      title={self ? 'Leave the organisation?' : 'Remove this member?'}
      role="alertdialog"
      isOpen
      onClose={onClose}
      footer={
        <>
          <Button onPress={onClose}>Cancel</Button>
          <Button tone="danger" onPress={() => remove.mutate()} isPending={remove.isPending}>{self ? 'Leave' : 'Remove'}</Button>
        </>
      }
    >
      <FormProblem error={remove.error} />
      <p>
        {self ? 'You are signed out at once' : <><bdi>{member.email}</bdi> is signed out at once</>} and can only come back by a new invitation. Delegations that were
        created stay as they are; the activity log keeps the name.
      </p>
    </Dialog>
  );
}
