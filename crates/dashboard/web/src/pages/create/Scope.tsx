import type { Node } from '../../api/delegations';
import type { Action, FieldError } from '../../api/schema';
import { Checkbox, TextField } from '../../parts/Field';
import { LimitFields } from '../../parts/LimitFields';
import { Card } from '../../parts/Page';
import { ACTIONS, type Draft } from './form';
import styles from './CreatePage.module.css';

interface ScopeProps {
  draft: Draft;
  parent: Node | undefined;
  set: (part: Partial<Draft>) => void;
  fault: (pointer: string) => string | undefined;
  faults: FieldError[];
}

/** Limits, actions and further caveats: what many delegations do without. */
export function Scope({ draft, parent, set, fault, faults }: ScopeProps) {
  const inCaveats = faults.filter((one) => one.pointer.startsWith('/caveats')).map((one) => `Caveat ${Number(one.pointer.replace('/caveats/', '')) + 1} ${one.detail}.`);
  return (
    <>
      <Card title="Limits">
        {draft.limits.length === 0 ? <p className={styles.hint}>No window limit: it may spend its whole budget at any pace.</p> : null}
        <LimitFields limits={draft.limits} onChange={(limits) => set({ limits })} fault={fault} />
        <div className={styles.pair}>
          <TextField label="Most in one spend" inputMode="numeric" suffix="credits" value={draft.maxPerSpend} onChange={(maxPerSpend) => set({ maxPerSpend })} error={fault('/max_per_spend')} description="Empty: as much as is there." />
          <TextField label="Levels below it" inputMode="numeric" value={draft.maxDepth} onChange={(maxDepth) => set({ maxDepth })} error={fault('/max_depth')} description="Empty: as many as its parent may have; 0: none." />
        </div>
      </Card>
      <Card title="Scope">
        <fieldset className={styles.actions}>
          <legend>Actions</legend>
          {ACTIONS.map((action) => (
            <ActionBox key={action.id} action={action} draft={draft} parent={parent} set={set} />
          ))}
          {fault('/actions') ? <p className={styles.fault} role="alert">{fault('/actions')}</p> : null}
        </fieldset>
        <TextField
          label="Extra caveats" lines={3} value={draft.caveats} onChange={(caveats) => set({ caveats })} error={inCaveats.length > 0 ? inCaveats.join(' ') : undefined}
          placeholder={'route = /v1/*\nmethod = GET,POST\nsource_ip = 10.0.0.0/8'}
          description={<>One a line, as <code>name = value</code>. They can never be removed, only added to.</>}
        />
      </Card>
    </>
  );
}

function ActionBox({ action, draft, parent, set }: { action: { id: Action; name: string }; draft: Draft; parent: Node | undefined; set: ScopeProps['set'] }) {
  const allowed: Action[] = parent?.actions ?? ['spend', 'delegate', 'read'];
  const chosen = draft.actions ?? allowed;
  const may = allowed.includes(action.id);
  const toggle = (selected: boolean) => set({ actions: selected ? [...chosen, action.id] : chosen.filter((other) => other !== action.id) });
  return (
    <Checkbox isSelected={may && chosen.includes(action.id)} isDisabled={!may} onChange={toggle}>
      {action.name}
      {may ? '' : ' (its parent may not)'}
    </Checkbox>
  );
}
