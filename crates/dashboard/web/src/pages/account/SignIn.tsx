import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { Form } from 'react-aria-components';
import { Link, useNavigate, useSearchParams } from 'react-router';
import { api, ok } from '../../api/client';
import { configQuery, sessionKey } from '../../api/session';
import { Button } from '../../parts/Button';
import { TextField } from '../../parts/Field';
import { FormProblem } from '../../parts/States';
import { Front } from './Front';
import styles from './Front.module.css';

export function SignIn() {
  const client = useQueryClient();
  const navigate = useNavigate();
  const [search] = useSearchParams();
  const [email, setEmail] = useState('');
  const [password, setPassword] = useState('');
  const signIn = useMutation({
    mutationFn: () => ok(api.POST('/api/cloud/session', { body: { email, password } })),
    onSuccess: (session) => {
      client.clear();
      client.setQueryData(sessionKey, session);
      void navigate(within(search.get('next')), { replace: true });
    },
  });
  const config = useQuery(configQuery);
  const foot = (
    <>
      {config.data?.open_signup === false ? null : <Link to="/sign-up">Create an organisation</Link>}
      <Link to="/reset">Forgot your password?</Link>
    </>
  );
  return (
    <Front title="Sign in" foot={foot}>
      <Form
        className={styles.form ?? ''}
        onSubmit={(event) => {
          event.preventDefault();
          signIn.mutate();
        }}
      >
        <FormProblem error={signIn.error} />
        <TextField label="E-mail" type="email" name="email" autoComplete="username" value={email} onChange={setEmail} autoFocus />
        <TextField label="Password" type="password" name="password" autoComplete="current-password" value={password} onChange={setPassword} />
        <Button type="submit" tone="primary" isPending={signIn.isPending}>Sign in</Button>
      </Form>
    </Front>
  );
}

/** Where to go on: a path of this dashboard and nothing else. */
function within(next: string | null): string {
  return next !== null && /^\/(?![/\\])/.test(next) ? next : '/delegations';
}
