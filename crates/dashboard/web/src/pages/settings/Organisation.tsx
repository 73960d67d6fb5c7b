import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { ComboBox, FieldError, Form, Input, Label as AriaLabel, ListBox, ListBoxItem, Popover, Button as AriaButton, Text } from 'react-aria-components';
import { api, ok } from '../../api/client';
import { asProblem, type ProblemError } from '../../api/problem';
import type { TenantSettings } from '../../api/schema';
import { sessionKey, useMay } from '../../api/session';
import { tenantQuery } from '../../api/tenant';
import { Button } from '../../parts/Button';
import { TextField } from '../../parts/Field';
import { DownIcon } from '../../parts/icons';
import { Fact, Facts } from '../../parts/Page';
import { FormProblem } from '../../parts/States';
import { Label } from '../../parts/text';
import { announce } from '../../parts/Toast';
import { Section } from './Section';
import styles from './Settings.module.css';

/** Name, time zone, and what a credit is worth. */
export function Organisation() {
  const tenant = useQuery(tenantQuery);
  const may = useMay();
  return (
    <Section title="Organisation" what="organisation settings" query={tenant}>
      {(settings) => (may.manageTenant ? <Editor key={settings.id} saved={settings} /> : <Reading settings={settings} />)}
    </Section>
  );
}

function Reading({ settings }: { settings: TenantSettings }) {
  return (
    <Facts>
      <Fact name="Name"><Label wrap="break">{settings.organization}</Label></Fact>
      <Fact name="Time zone">{settings.time_zone}</Fact>
      <Fact name="One credit costs">{settings.credit_price} {settings.currency}</Fact>
    </Facts>
  );
}

type Editable = Pick<TenantSettings, 'organization' | 'time_zone' | 'currency' | 'credit_price'>;

const FIELDS = ['organization', 'time_zone', 'currency', 'credit_price'] as const;

function Editor({ saved }: { saved: TenantSettings }) {
  const client = useQueryClient();
  const [form, setForm] = useState<Editable>(saved);
  const changed = FIELDS.filter((field) => form[field].trim() !== saved[field]);
  const save = useMutation({
    mutationFn: () => ok(api.PATCH('/api/cloud/tenant', { body: Object.fromEntries(changed.map((field) => [field, form[field].trim()])) })),
    onSuccess: (settings) => {
      client.setQueryData(tenantQuery.queryKey, settings);
      setForm(settings);
      announce('Settings saved');
      void client.invalidateQueries({ queryKey: sessionKey });
      void client.invalidateQueries({ queryKey: ['report'] });
    },
  });
  const problem: ProblemError | undefined = save.error ? asProblem(save.error) : undefined;
  const discard = () => {
    setForm(saved);
    save.reset();
  };
  const set = (field: keyof Editable) => (value: string) => setForm((now) => ({ ...now, [field]: value }));
  return (
    <Form
      className={styles.form ?? ''}
      onSubmit={(event) => {
        event.preventDefault();
        save.mutate();
      }}
    >
      <FormProblem error={problem?.problem.errors ? undefined : problem} />
      <TextField label="Name" value={form.organization} onChange={set('organization')} error={problem?.field('/organization')} autoComplete="organization" />
      <TimeZone value={form.time_zone} onChange={set('time_zone')} error={problem?.field('/time_zone')} />
      <div className={styles.pair}>
        <TextField label="Price of one credit" value={form.credit_price} onChange={set('credit_price')} error={problem?.field('/credit_price')} inputMode="decimal" suffix={form.currency} description="For reports and exports; spending is counted in credits." />
        <TextField label="Currency" value={form.currency} onChange={(value) => set('currency')(value.toUpperCase())} error={problem?.field('/currency')} maxLength={3} description="Its code, such as EUR" />
      </div>
      <div className={styles.buttons}>
        <Button type="submit" tone="primary" isDisabled={changed.length === 0} isPending={save.isPending}>Save</Button>
        {changed.length > 0 ? <Button tone="quiet" onPress={discard}>Discard</Button> : null}
      </div>
    </Form>
  );
}

const ZONES = ['UTC', ...Intl.supportedValuesOf('timeZone').filter((zone) => zone !== 'UTC')].map((id) => ({ id }));

/** Days, weeks and months of limits and reports begin by this zone's clock. */
function TimeZone({ value, onChange, error }: { value: string; onChange: (zone: string) => void; error: string | undefined }) {
  return (
    <ComboBox
      className={styles.zone ?? ''}
      defaultItems={ZONES}
      inputValue={value}
      onInputChange={onChange}
      allowsCustomValue
      isInvalid={error !== undefined}
      validationBehavior="aria"
      menuTrigger="focus"
    >
      <AriaLabel className={styles.label ?? ''}>Time zone</AriaLabel>
      <span className={styles.zoneBox}>
        <Input className={styles.zoneInput ?? ''} />
        <AriaButton className={styles.zoneButton ?? ''} aria-label="Show time zones"><DownIcon size={14} /></AriaButton>
      </span>
      <Text slot="description" className={styles.note ?? ''}>Days, weeks and months of limits and reports begin by this clock.</Text>
      <FieldError className={styles.error ?? ''}>{error}</FieldError>
      <Popover className={styles.zones ?? ''}>
        <ListBox className={styles.zoneList ?? ''}>
          {({ id }: { id: string }) => <ListBoxItem id={id} textValue={id} className={styles.zoneItem ?? ''}>{id}</ListBoxItem>}
        </ListBox>
      </Popover>
    </ComboBox>
  );
}
