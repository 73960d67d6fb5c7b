import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { Form } from 'react-aria-components';
import { Link, useNavigate } from 'react-router';
import { api, ok } from '../../api/client';
import { asProblem } from '../../api/problem';
import { Button } from '../../parts/Button';
import { TextField } from '../../parts/Field';
import { FormProblem, Notice } from '../../parts/States';
import { announce } from '../../parts/Toast';
import { Front, takeToken } from './Front';
import styles from './Front.module.css';

/** Without a token: asks for the link. With the one that the link carries: sets the new password. */
export function ResetPassword() {
  const [token] = useState(takeToken);
  return token === '' ? <AskForLink /> : <NewPassword token={token} />;
}

const back = <Link to="/sign-in">Back to signing in</Link>;

function AskForLink() {
  const [email, setEmail] = useState('');
  const ask = useMutation({ mutationFn: () => ok(api.POST('/api/cloud/password/reset', { body: { email } })) });
  if (ask.isSuccess) {
    return (
      <Front title="Look into your mail" foot={back}>
        <p>If <bdi>{email}</bdi> has an account, a link to set a new password is on its way. It works once, within an hour.</p>
        <Notice tone="info">No mail? Where the server runs without a mail server, whoever runs it finds the link in its output.</Notice>
      </Front>
    );
  }
  const problem = ask.error ? asProblem(ask.error) : undefined;
  return (
    <Front title="Reset your password" lead="You get a link by mail that lets you choose a new one." foot={back}>
      <Form
        className={styles.form ?? ''}
        onSubmit={(event) => {
          event.preventDefault();
          ask.mutate();
        }}
      >
        <FormProblem error={problem?.problem.errors ? undefined : problem} />
        <TextField label="E-mail" type="email" autoComplete="username" value={email} onChange={setEmail} error={problem?.field('/email')} autoFocus />
        <Button type="submit" tone="primary" isPending={ask.isPending}>Send the link</Button>
      </Form>
    </Front>
  );
}

function NewPassword({ token }: { token: string }) {
  const navigate = useNavigate();
  const [password, setPassword] = useState('');
  const set = useMutation({
    mutationFn: () => ok(api.POST('/api/cloud/password/reset/accept', { body: { token, password } })),
    onSuccess: () => {
      announce('Your password is changed', 'Sign in with the new one.');
      void navigate('/sign-in', { replace: true });
    },
  });
  const problem = set.error ? asProblem(set.error) : undefined;
  return (
    <Front title="Choose a new password" lead="You are signed out everywhere when it is set." foot={back}>
      <Form
        className={styles.form ?? ''}
        onSubmit={(event) => {
          event.preventDefault();
          set.mutate();
        }}
      >
        <FormProblem error={problem?.problem.errors ? undefined : problem} />
        <TextField label="New password" type="password" autoComplete="new-password" value={password} onChange={setPassword} error={problem?.field('/password')} description="At least 8 characters; a sentence is best." autoFocus />
        <Button type="submit" tone="primary" isPending={set.isPending}>Set the password</Button>
      </Form>
    </Front>
  );
}
