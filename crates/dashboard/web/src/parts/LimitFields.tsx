import type { Period } from '../api/schema';
import { Button } from './Button';
import { Select, TextField } from './Field';
import { CrossIcon, PlusIcon } from './icons';
import styles from './LimitFields.module.css';

/** A window limit as it is typed. */
export interface LimitDraft {
  key: string;
  credits: string;
  per: Period;
}

const PERIODS: readonly { id: Period; name: string }[] = [
  { id: 'hour', name: 'per hour' },
  { id: 'day', name: 'per day' },
  { id: 'week', name: 'per week' },
  { id: 'month', name: 'per month' },
];

interface LimitFieldsProps {
  limits: readonly LimitDraft[];
  onChange: (limits: LimitDraft[]) => void;
  /** What is wrong at a pointer such as `/limits/0/credits`. */
  fault: (pointer: string) => string | undefined;
}

/** Any number of window limits. */
export function LimitFields({ limits, onChange, fault }: LimitFieldsProps) {
  const replace = (limit: LimitDraft, part: Partial<LimitDraft>) => onChange(limits.map((old) => (old === limit ? { ...old, ...part } : old)));
  return (
    <>
      {limits.map((limit, at) => (
        <div key={limit.key} className={styles.limit}>
          <TextField label={`Limit ${at + 1}`} inputMode="numeric" suffix="credits" value={limit.credits} onChange={(credits) => replace(limit, { credits })} error={fault(`/limits/${at}/credits`) ?? fault(`/limits/${at}`)} />
          <Select label="Window" value={limit.per} options={PERIODS} onChange={(per) => replace(limit, { per })} error={fault(`/limits/${at}/per`)} />
          <Button tone="quiet" aria-label={`Remove limit ${at + 1}`} icon={<CrossIcon />} onPress={() => onChange(limits.filter((old) => old !== limit))} />
        </div>
      ))}
      <div>
        <Button size="small" icon={<PlusIcon />} onPress={() => onChange([...limits, { key: crypto.getRandomValues(new Uint32Array(1)).join(), credits: '', per: 'day' }])}>
          Add a window limit
        </Button>
      </div>
    </>
  );
}
