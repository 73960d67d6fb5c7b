import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useRef, useState } from 'react';
import { Form } from 'react-aria-components';
import { Link, useNavigate } from 'react-router';
import { api, newKey, ok } from '../../api/client';
import { asProblem } from '../../api/problem';
import type { SignedUp } from '../../api/schema';
import { sessionKey } from '../../api/session';
import { Button } from '../../parts/Button';
import { CopyField } from '../../parts/CopyField';
import { Checkbox, TextField } from '../../parts/Field';
import { LeaveGuard } from '../../parts/LeaveGuard';
import { FormProblem, Notice } from '../../parts/States';
import { Front } from './Front';
import styles from './Front.module.css';

export function SignUp() {
  const [form, setForm] = useState({ organization: '', email: '', password: '' });
  const key = useRef(newKey());
  const signUp = useMutation({
    mutationFn: () => ok(api.POST('/api/cloud/signup', { body: form, headers: { 'Idempotency-Key': key.current } })),
    // Other data is another request; only a repetition of the same one may keep its key.
    onError: (error) => {
      if (asProblem(error).status !== 0) key.current = newKey();
    },
  });
  if (signUp.data) return <RootToken signedUp={signUp.data} />;
  const problem = signUp.error ? asProblem(signUp.error) : undefined;
  const set = (name: keyof typeof form) => (value: string) => setForm((now) => ({ ...now, [name]: value }));
  return (
    <Front title="Create an organisation" lead="You become its owner. Others can be invited later." foot={<span>Have an account? <Link to="/sign-in">Sign in</Link></span>}>
      <Form
        className={styles.form ?? ''}
        onSubmit={(event) => {
          event.preventDefault();
          signUp.mutate();
        }}
      >
        <FormProblem error={problem?.problem.errors ? undefined : problem} />
        <TextField label="Organisation" name="organization" autoComplete="organization" value={form.organization} onChange={set('organization')} error={problem?.field('/organization')} autoFocus />
        <TextField label="E-mail" type="email" name="email" autoComplete="username" value={form.email} onChange={set('email')} error={problem?.field('/email')} />
        <TextField label="Password" type="password" name="password" autoComplete="new-password" value={form.password} onChange={set('password')} error={problem?.field('/password')} description="At least 8 characters; a sentence is best." />
        <Button type="submit" tone="primary" isPending={signUp.isPending}>Create organisation</Button>
      </Form>
    </Front>
  );
}

/** The only moment at which the root token is shown. */
function RootToken({ signedUp }: { signedUp: SignedUp }) {
  const client = useQueryClient();
  const navigate = useNavigate();
  const [kept, setKept] = useState(false);
  const [left, setLeft] = useState(false);
  const goOn = () => {
    setLeft(true);
    client.clear();
    const { tenant, user } = signedUp;
    const own = { tenant_id: tenant.id, organization: tenant.organization, role: user.role };
    client.setQueryData(sessionKey, { tenant, user, email_confirmed: false, tenants: [own] });
    setTimeout(() => void navigate('/delegations', { replace: true }));
  };
  return (
    <Front title="Keep your root token">
      <div className={styles.once}>
        <p>It has no limit and is above every delegation. It is shown this one time; if it is lost, make a new one in <em>Settings</em>.</p>
        <CopyField label="Root token" text={signedUp.root_token} onCopied={() => setKept(true)} />
        <Notice tone="warn">Agents never get this token: give each a delegation of its own. Keep it where your other master secrets are.</Notice>
        <Checkbox isSelected={kept} onChange={setKept}>I have kept the token in a safe place</Checkbox>
        <Button tone="primary" isDisabled={!kept} onPress={goOn}>Go to the dashboard</Button>
      </div>
      {left ? null : <LeaveGuard what="the root token" detail="It cannot be shown again. Without it only the dashboard can manage delegations, until you make a new one in Settings." />}
    </Front>
  );
}
