import type { ReactNode } from 'react';
import {
  Checkbox as AriaCheckbox, FieldError, Input, Label as AriaLabel, ListBox, ListBoxItem, Popover, Radio, RadioGroup,
  Select as AriaSelect, SelectValue, Button, Text, TextArea, TextField as AriaTextField,
} from 'react-aria-components';
import { CheckIcon, DownIcon } from './icons';
import styles from './Field.module.css';

interface Common {
  label: string;
  description?: ReactNode;
  /** What is wrong with it; shown beside the field and read out with it. */
  error?: string | undefined;
  isRequired?: boolean;
}

interface TextFieldProps extends Common {
  value: string;
  onChange: (value: string) => void;
  type?: 'text' | 'email' | 'password' | 'search' | 'url' | 'datetime-local' | 'date';
  name?: string;
  autoComplete?: string;
  autoFocus?: boolean;
  inputMode?: 'text' | 'numeric' | 'decimal';
  placeholder?: string;
  /** What stands at the end of the field, such as a unit. */
  suffix?: string;
  maxLength?: number;
  isDisabled?: boolean;
  lines?: number;
}

export function TextField({ label, description, error, suffix, lines, placeholder, inputMode, ...props }: TextFieldProps) {
  return (
    <AriaTextField {...props} className={styles.field ?? ''} isInvalid={error !== undefined} validationBehavior="aria">
      <FieldLabel isRequired={props.isRequired === true}>{label}</FieldLabel>
      <span className={styles.box}>
        {lines ? (
          <TextArea className={styles.input ?? ''} rows={lines} placeholder={placeholder} />
        ) : (
          <Input className={styles.input ?? ''} placeholder={placeholder} inputMode={inputMode} dir="auto" />
        )}
        {suffix ? <span className={styles.suffix} aria-hidden="true">{suffix}</span> : null}
      </span>
      <Notes description={description} error={error} />
    </AriaTextField>
  );
}

function FieldLabel({ children, isRequired }: { children: string; isRequired: boolean }) {
  return (
    <AriaLabel className={styles.label ?? ''}>
      {children}
      {isRequired ? <span className={styles.required} aria-hidden="true">Required</span> : null}
    </AriaLabel>
  );
}

function Notes({ description, error }: { description?: ReactNode; error: string | undefined }) {
  return (
    <>
      {description ? <Text slot="description" className={styles.description ?? ''}>{description}</Text> : null}
      <FieldError className={styles.error ?? ''}>{error}</FieldError>
    </>
  );
}

export interface Option<K extends string> {
  id: K;
  name: string;
  note?: string;
}

interface SelectProps<K extends string> extends Common {
  value: K;
  options: readonly Option<K>[];
  onChange: (value: K) => void;
  look?: 'field' | 'filter';
}

export function Select<K extends string>({ label, description, error, value, options, onChange, look = 'field' }: SelectProps<K>) {
  const quiet = look === 'filter';
  return (
    <AriaSelect
      className={styles.field ?? ''}
      value={value}
      onChange={(key) => onChange(key as K)}
      isInvalid={error !== undefined}
      validationBehavior="aria"
      {...(quiet ? { 'aria-label': label } : {})}
    >
      {quiet ? null : <FieldLabel isRequired={false}>{label}</FieldLabel>}
      <Button className={styles.select ?? ''}>
        <SelectValue className={styles.selectValue ?? ''}>{({ defaultChildren, selectedText }) => selectedText || defaultChildren}</SelectValue>
        <DownIcon size={14} />
      </Button>
      <Notes description={description} error={error} />
      <Popover className={styles.popover ?? ''}>
        <ListBox className={styles.list ?? ''} items={options.map((option) => ({ ...option }))}>
          {(option: Option<K>) => (
            <ListBoxItem id={option.id} textValue={option.name} className={styles.option ?? ''}>
              <Text slot="label"><bdi>{option.name}</bdi></Text>
              {option.note ? <Text slot="description" className={styles.optionNote ?? ''}>{option.note}</Text> : null}
            </ListBoxItem>
          )}
        </ListBox>
      </Popover>
    </AriaSelect>
  );
}

export function Checkbox({ children, isSelected, onChange, isDisabled }: { children: ReactNode; isSelected: boolean; onChange: (selected: boolean) => void; isDisabled?: boolean }) {
  return (
    <AriaCheckbox className={styles.checkbox ?? ''} isSelected={isSelected} onChange={onChange} isDisabled={isDisabled ?? false}>
      <span className={styles.tick} aria-hidden="true"><CheckIcon size={12} /></span>
      <span>{children}</span>
    </AriaCheckbox>
  );
}

interface ChoiceProps<K extends string> extends Common {
  value: K;
  options: readonly Option<K>[];
  onChange: (value: K) => void;
  look?: 'cards' | 'segments';
}

/** One of a few, all visible. */
export function Choice<K extends string>({ label, description, error, value, options, onChange, look = 'cards' }: ChoiceProps<K>) {
  return (
    <RadioGroup className={styles.field ?? ''} value={value} onChange={(key) => onChange(key as K)} isInvalid={error !== undefined} validationBehavior="aria" orientation={look === 'segments' ? 'horizontal' : 'vertical'}>
      <FieldLabel isRequired={false}>{label}</FieldLabel>
      <div className={look === 'cards' ? styles.cards : styles.segments}>
        {options.map((option) => (
          <Radio key={option.id} value={option.id} className={(look === 'cards' ? styles.card : styles.segment) ?? ''}>
            <span className={styles.optionName}>{option.name}</span>
            {option.note ? <span className={styles.optionNote}>{option.note}</span> : null}
          </Radio>
        ))}
      </div>
      <Notes description={description} error={error} />
    </RadioGroup>
  );
}
