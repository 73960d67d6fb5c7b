import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { Form } from 'react-aria-components';
import { api, ok } from '../../api/client';
import { asProblem } from '../../api/problem';
import { sessionKey, useSession } from '../../api/session';
import { Button } from '../../parts/Button';
import { TextField } from '../../parts/Field';
import { Card } from '../../parts/Page';
import { FormProblem } from '../../parts/States';
import { announce } from '../../parts/Toast';
import styles from './Settings.module.css';

const EMPTY = { current_password: '', new_password: '' };

/** A new password; all other sessions end. */
export function Password() {
  const client = useQueryClient();
  const { user } = useSession();
  const [form, setForm] = useState(EMPTY);
  const change = useMutation({
    mutationFn: () => ok(api.POST('/api/cloud/password', { body: form })),
    onSuccess: (session) => {
      client.setQueryData(sessionKey, session);
      setForm(EMPTY);
      announce('Password changed', 'All your other sessions have ended.');
      void client.invalidateQueries({ queryKey: ['sessions'] });
    },
  });
  const problem = change.error ? asProblem(change.error) : undefined;
  const set = (field: keyof typeof EMPTY) => (value: string) => setForm((now) => ({ ...now, [field]: value }));
  return (
    <Card title="Your password">
      <Form
        className={styles.form ?? ''}
        onSubmit={(event) => {
          event.preventDefault();
          change.mutate();
        }}
      >
        <FormProblem error={problem?.problem.errors ? undefined : problem} />
        {/* Password managers want to know whose password it is. */}
        <input type="email" autoComplete="username" value={user.email} readOnly hidden />
        <div className={styles.pair}>
          <TextField label="Current password" type="password" autoComplete="current-password" value={form.current_password} onChange={set('current_password')} error={problem?.field('/current_password')} />
          <TextField label="New password" type="password" autoComplete="new-password" value={form.new_password} onChange={set('new_password')} error={problem?.field('/new_password')} description="At least 8 characters; a sentence is best." />
        </div>
        <div className={styles.buttons}>
          <Button type="submit" isPending={change.isPending} isDisabled={form.current_password === '' || form.new_password === ''}>Change password</Button>
        </div>
      </Form>
    </Card>
  );
}
