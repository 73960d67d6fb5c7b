import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { Form } from 'react-aria-components';
import { Link, useNavigate } from 'react-router';
import { api, ok } from '../../api/client';
import { sessionKey, sessionQuery } from '../../api/session';
import { Button } from '../../parts/Button';
import { TextField } from '../../parts/Field';
import { FormProblem } from '../../parts/States';
import { announce } from '../../parts/Toast';
import { Front, takeToken } from './Front';
import styles from './Front.module.css';

/** Confirms an address with the link from a mail. The link is worth something only to whoever is signed in to the account. */
export function ConfirmEmail() {
  const client = useQueryClient();
  const navigate = useNavigate();
  const session = useQuery(sessionQuery);
  const [token] = useState(takeToken);
  const [email, setEmail] = useState('');
  const [password, setPassword] = useState('');
  const confirm = useMutation({
    mutationFn: async () => {
      if (!session.data) client.setQueryData(sessionKey, await ok(api.POST('/api/cloud/session', { body: { email, password } })));
      return ok(api.POST('/api/cloud/email/confirm/accept', { body: { token } }));
    },
    onSuccess: (confirmed) => {
      client.clear();
      client.setQueryData(sessionKey, confirmed);
      announce('Your address is confirmed');
      void navigate('/team', { replace: true });
    },
  });
  const lead = session.data ? <>You are signed in as <bdi>{session.data.user.email}</bdi>.</> : 'Sign in to the account that the mail is about.';
  return (
    <Front title="Confirm your address" lead={lead} foot={<Link to="/delegations">Not now</Link>}>
      <Form
        className={styles.form ?? ''}
        onSubmit={(event) => {
          event.preventDefault();
          confirm.mutate();
        }}
      >
        <FormProblem error={confirm.error} />
        {session.data ? null : (
          <>
            <TextField label="E-mail" type="email" name="email" autoComplete="username" value={email} onChange={setEmail} autoFocus />
            <TextField label="Password" type="password" name="password" autoComplete="current-password" value={password} onChange={setPassword} />
          </>
        )}
        <Button type="submit" tone="primary" isPending={confirm.isPending}>Confirm</Button>
      </Form>
    </Front>
  );
}
