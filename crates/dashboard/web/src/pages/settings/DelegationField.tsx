import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { ComboBox, FieldError, Input, Label as AriaLabel, ListBox, ListBoxItem, Popover, Button as AriaButton, Text } from 'react-aria-components';
import { api, ok } from '../../api/client';
import { credits } from '../../lib/format';
import { useSettled } from '../../lib/hooks';
import { DownIcon } from '../../parts/icons';
import styles from './Settings.module.css';

export interface Chosen {
  id: string;
  label: string;
}

interface DelegationFieldProps {
  label: string;
  root: string;
  value: Chosen | null;
  onChange: (chosen: Chosen | null) => void;
  error?: string | undefined;
}

/** One delegation, found by some of its name; nothing typed is the root. */
export function DelegationField({ label, root, value, onChange, error }: DelegationFieldProps) {
  const [text, setText] = useState(value?.label ?? '');
  const q = useSettled(text.trim(), 200);
  const found = useQuery({
    queryKey: ['delegation-names', q],
    queryFn: ({ signal }) => ok(api.GET('/api/cloud/delegation', { params: { query: { limit: 20, ...(q === '' ? {} : { q }) } }, signal })),
    placeholderData: (before) => before,
  });
  const items = (found.data?.data ?? []).map(({ id, label: name, budget_credits: budget }) => ({ id, name, note: `${credits(budget ?? null)}${budget ? ' cr' : ''}` }));
  const choose = (key: React.Key | null) => {
    const item = items.find(({ id }) => id === key);
    if (!item) return;
    onChange({ id: item.id, label: item.name });
    setText(item.name);
  };
  const type = (typed: string) => {
    setText(typed);
    if (typed === '') onChange(null);
  };
  return (
    <ComboBox className={styles.zone ?? ''} items={items} value={value?.id ?? null} onChange={choose} inputValue={text} onInputChange={type} allowsEmptyCollection menuTrigger="focus" isInvalid={error !== undefined} validationBehavior="aria">
      <AriaLabel className={styles.label ?? ''}>{label}</AriaLabel>
      <span className={styles.zoneBox}>
        <Input className={styles.zoneInput ?? ''} placeholder="The root: everything" dir="auto" />
        <AriaButton className={styles.zoneButton ?? ''} aria-label="Show delegations"><DownIcon size={14} /></AriaButton>
      </span>
      <Text slot="description" className={styles.note ?? ''}>{value && value.id !== root ? 'With everything below it.' : 'Type some of its name, or leave it empty for everything.'}</Text>
      <FieldError className={styles.error ?? ''}>{error}</FieldError>
      <Popover className={styles.zones ?? ''}>
        <ListBox className={styles.zoneList ?? ''} renderEmptyState={() => <p className={styles.faint}>No such delegation</p>}>
          {(item: (typeof items)[number]) => (
            <ListBoxItem id={item.id} textValue={item.name} className={styles.zoneItem ?? ''}>
              <Text slot="label"><bdi>{item.name}</bdi></Text> <Text slot="description" className={styles.faint ?? ''}>{item.note}</Text>
            </ListBoxItem>
          )}
        </ListBox>
      </Popover>
    </ComboBox>
  );
}
