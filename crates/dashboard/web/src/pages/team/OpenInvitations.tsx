import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { api, ok } from '../../api/client';
import { invitationsQuery } from '../../api/members';
import type { OpenInvitation } from '../../api/schema';
import { grantable, useSession } from '../../api/session';
import { Button } from '../../parts/Button';
import { Card } from '../../parts/Page';
import { Label, Moment } from '../../parts/text';
import { announce, complain } from '../../parts/Toast';
import styles from './Team.module.css';

/** Who was invited and has not come yet. Nothing is shown where there is nobody. */
export function OpenInvitations() {
  const client = useQueryClient();
  const { user } = useSession();
  const invitations = useQuery(invitationsQuery);
  const withdraw = useMutation({
    mutationFn: (invitation: OpenInvitation) => ok(api.DELETE('/api/cloud/invite/{id}', { params: { path: { id: invitation.id } } })),
    onSuccess: (_, invitation) => announce(`The invitation of ${invitation.email} is taken back`),
    onError: complain,
    onSettled: () => client.invalidateQueries({ queryKey: invitationsQuery.queryKey }),
  });
  if (!invitations.data || invitations.data.length === 0) return null;
  return (
    <Card title="Open invitations">
      <ul className={styles.invitations}>
        {invitations.data.map((invitation) => (
          <li key={invitation.id}>
            <Label wrap="break">{invitation.email}</Label>
            <span className={styles.why}>{invitation.role}, until <Moment at={invitation.expires_at} /></span>
            {grantable(user.role).includes(invitation.role) ? (
              <Button size="small" tone="quiet" onPress={() => withdraw.mutate(invitation)} aria-label={`Take the invitation of ${invitation.email} back`}>
                Take back
              </Button>
            ) : null}
          </li>
        ))}
      </ul>
    </Card>
  );
}
