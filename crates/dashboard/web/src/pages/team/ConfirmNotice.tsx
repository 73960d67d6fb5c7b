import { useMutation, useQuery } from '@tanstack/react-query';
import { api, ok } from '../../api/client';
import { configQuery, useSession } from '../../api/session';
import { Button } from '../../parts/Button';
import { Notice } from '../../parts/States';
import { announce, complain } from '../../parts/Toast';

/** Asks whoever is signed in to confirm the own address, where mail goes anywhere. */
export function ConfirmNotice() {
  const { user, email_confirmed } = useSession();
  const config = useQuery(configQuery);
  const send = useMutation({
    mutationFn: () => ok(api.POST('/api/cloud/email/confirm', { body: {} })),
    onSuccess: () => announce('A mail is on its way', `Open its link in this browser: it confirms ${user.email}.`),
    onError: complain,
  });
  if (email_confirmed || !config.data?.sends_mail) return null;
  return (
    <Notice tone="info" title="Confirm your address">
      <p>Until you have confirmed <bdi>{user.email}</bdi>, nobody whom you invite is mailed: you hand over the links yourself.</p>
      <Button size="small" onPress={() => send.mutate()} isPending={send.isPending}>Send me the mail</Button>
    </Notice>
  );
}
