import { keepPreviousData, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { Button, ComboBox, FieldError, Input, Label as AriaLabel, ListBox, ListBoxItem, Popover, Text } from 'react-aria-components';
import { api, ok } from '../../api/client';
import { delegationQuery, keep, type Node } from '../../api/delegations';
import { credits } from '../../lib/format';
import { useSettled } from '../../lib/hooks';
import { DownIcon } from '../../parts/icons';
import { Label } from '../../parts/text';
import field from '../../parts/Field.module.css';
import styles from './CreatePage.module.css';

interface ParentFieldProps {
  value: string;
  root: string;
  onChange: (id: string) => void;
  error: string | undefined;
}

/** Chooses a live delegation by typing some of its name. */
export function ParentField({ value, root, onChange, error }: ParentFieldProps) {
  const client = useQueryClient();
  const chosen = useQuery(delegationQuery(value)).data;
  const rootNode = useQuery(delegationQuery(root)).data;
  const [typed, setTyped] = useState<string | null>(null);
  const q = useSettled((typed ?? '').trim(), 200);
  const found = useQuery({
    queryKey: ['parents', q],
    placeholderData: keepPreviousData,
    queryFn: async ({ signal }) => {
      const parameters = { status: 'active' as const, limit: 30, ...(q === '' ? {} : { q }) };
      return ok(api.GET('/api/cloud/delegation', { params: { query: parameters }, signal }));
    },
  });
  const live = found.data?.data ?? [];
  const items: Node[] = q === '' && rootNode && !live.some((node) => node.id === root) ? [rootNode, ...live] : live;

  return (
    <ComboBox
      className={field.field ?? ''}
      items={items}
      value={value}
      onChange={(key) => {
        const node = items.find(({ id }) => id === key);
        // Known before it is shown: a text that changes later would open the list again.
        if (node) keep(client, node);
        if (key !== null) onChange(String(key));
        setTyped(null);
      }}
      inputValue={typed ?? chosen?.label ?? ''}
      onInputChange={(text) => setTyped(text === chosen?.label ? null : text)}
      onOpenChange={(open) => {
        if (!open) setTyped(null);
      }}
      isInvalid={error !== undefined}
      validationBehavior="aria"
      allowsEmptyCollection
    >
      <AriaLabel className={field.label ?? ''}>Parent</AriaLabel>
      <span className={styles.combo}>
        <Input className={field.input ?? ''} dir="auto" />
        <Button className={styles.comboButton ?? ''} aria-label="Show delegations"><DownIcon size={14} /></Button>
      </span>
      <Text slot="description" className={field.description ?? ''}>{chosen ? `${available(chosen)}.` : 'The delegation that it is made out of.'}</Text>
      <FieldError className={field.error ?? ''}>{error}</FieldError>
      <Popover className={field.popover ?? ''}>
        <ListBox className={field.list ?? ''} renderEmptyState={() => <p className={styles.none}>No live delegation has such a name.</p>}>
          {(node: Node) => (
            <ListBoxItem id={node.id} textValue={node.label} className={field.option ?? ''}>
              <Label>{node.label}</Label>
              <span className={field.optionNote}>
                <bdi>{[node.cost_center, node.department].filter(Boolean).join(' · ')}</bdi>
                {node.cost_center ? ' · ' : ''}{available(node)}
              </span>
            </ListBoxItem>
          )}
        </ListBox>
      </Popover>
    </ComboBox>
  );
}

export function available(node: Node): string {
  if (node.available_credits === null || node.available_credits === undefined) return 'No limit of its own';
  return `${credits(node.available_credits)} of ${credits(node.budget_credits)} available`;
}
