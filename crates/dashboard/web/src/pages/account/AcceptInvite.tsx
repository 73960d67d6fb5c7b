import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { Form } from 'react-aria-components';
import { Link, useNavigate } from 'react-router';
import { api, ok } from '../../api/client';
import { asProblem } from '../../api/problem';
import { sessionKey, sessionQuery } from '../../api/session';
import { Button } from '../../parts/Button';
import { TextField } from '../../parts/Field';
import { FormProblem } from '../../parts/States';
import { Front, takeToken } from './Front';
import styles from './Front.module.css';

export function AcceptInvite() {
  const client = useQueryClient();
  const navigate = useNavigate();
  const [fromLink] = useState(takeToken);
  const [token, setToken] = useState(fromLink);
  const [password, setPassword] = useState('');
  const session = useQuery(sessionQuery);
  const accept = useMutation({
    // Without a password the account accepts that is signed in.
    mutationFn: (chosen: string | null) =>
      ok(api.POST('/api/cloud/invite/accept', { body: { token: token.trim(), ...(chosen === null ? {} : { password: chosen }) } })),
    onSuccess: (session) => {
      client.clear();
      client.setQueryData(sessionKey, session);
      void navigate('/delegations', { replace: true });
    },
  });
  const problem = accept.error ? asProblem(accept.error) : undefined;
  return (
    <Front
      title="Accept your invitation"
      lead="Choose a password to join the organisation, or type the one that you have here already."
      foot={<Link to="/sign-in">Sign in instead</Link>}
    >
      <Form
        className={styles.form ?? ''}
        onSubmit={(event) => {
          event.preventDefault();
          accept.mutate(password);
        }}
      >
        <FormProblem error={problem?.problem.errors ? undefined : problem} />
        {fromLink === '' ? (
          <TextField label="Invitation" value={token} onChange={setToken} error={problem?.field('/token')} description="The text that you were given; it begins with inv_." />
        ) : null}
        <TextField label="Password" type="password" autoComplete="new-password" value={password} onChange={setPassword} error={problem?.field('/password')} description="At least 8 characters; a sentence is best." autoFocus={fromLink !== ''} />
        <Button type="submit" tone="primary" isPending={accept.isPending}>Join</Button>
        {session.data ? (
          <Button onPress={() => accept.mutate(null)} isPending={accept.isPending}>Join as {session.data.user.email}</Button>
        ) : null}
      </Form>
    </Front>
  );
}
