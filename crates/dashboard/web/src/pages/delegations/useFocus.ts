import { useQueryClient } from '@tanstack/react-query';
import { useLayoutEffect, useMemo, useRef, useState, type FocusEvent, type KeyboardEvent, type RefObject } from 'react';
import { flushSync } from 'react-dom';
import { delegationKey, type Node } from '../../api/delegations';
import { named, stepFor, type Grid, type Place } from './keyboard';

/** What is typed within this time is one name. */
const TYPING_MS = 600;

/**
 * The focus of the tree table: one stop for the Tab key, from which the arrow keys go on. It stays with its row when rows come
 * and go above it, and where its row goes away it moves to the one that takes its place.
 */
export function useFocus(frame: RefObject<HTMLElement | null>, grid: Grid, toggle: (key: string) => void) {
  const client = useQueryClient();
  const { lines } = grid;
  const places = useMemo(() => new Map(lines.map((line, at) => [line.row.key, at])), [lines]);
  const [chosen, setChosen] = useState<{ key: string; at: number; column: Place['column'] }>();
  const known = chosen === undefined ? undefined : places.get(chosen.key);
  const at = known ?? Math.min(chosen?.at ?? 0, lines.length - 1);
  const column = chosen === undefined || known === undefined ? 'row' : chosen.column;
  const isWithin = useRef(false);
  const typed = useRef({ text: '', until: 0 });

  const choose = (to: Place) => setChosen({ key: lines[to.at]?.row.key ?? '', ...to });
  const go = (to: Place) => {
    flushSync(() => choose(to));
    focusOn(frame.current, lines[to.at]?.row.key, to.column);
  };

  useLayoutEffect(() => {
    if (isWithin.current && known === undefined && document.activeElement === document.body) focusOn(frame.current, lines[at]?.row.key, 'row');
  });

  const onKeyDown = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !(event.target instanceof Element)) return;
    // A button's own keys are its own.
    if (event.target.closest('button') && (event.key === 'Enter' || event.key === ' ')) return;
    const step = stepFor(event.key, { at, column }, grid);
    const isText = step === undefined && event.key.length === 1 && event.key !== ' ';
    if (step === undefined && !isText) return;
    event.preventDefault();
    if (step?.kind === 'go') go(step.to);
    else if (step?.kind === 'toggle') toggle(step.key);
    else if (step?.kind === 'visit') rowOf(frame.current, step.key)?.querySelector('a')?.click();
    else {
      const { text, until } = typed.current;
      typed.current = { text: (event.timeStamp < until ? text : '') + event.key, until: event.timeStamp + TYPING_MS };
      const found = named(typed.current.text, at, lines, (id) => client.getQueryData<Node>(delegationKey(id))?.label ?? '');
      if (found !== undefined) go({ at: found, column });
    }
  };
  const onFocus = ({ target }: FocusEvent) => {
    isWithin.current = true;
    const key = target.closest<HTMLElement>('[data-key]')?.dataset['key'];
    const index = key === undefined ? undefined : places.get(key);
    const cell = target instanceof HTMLElement ? target.dataset['column'] : undefined;
    const part = cell === undefined ? 'row' : Number(cell);
    if (index !== undefined && (index !== at || part !== column || chosen === undefined)) choose({ at: index, column: part });
  };
  const onBlur = ({ relatedTarget, currentTarget }: FocusEvent) => {
    isWithin.current = relatedTarget instanceof Element && currentTarget.contains(relatedTarget);
  };
  return { at, column, key: chosen?.key, places, handlers: { onKeyDown, onFocus, onBlur } };
}

function rowOf(frame: HTMLElement | null, key: string | undefined): HTMLElement | null {
  return frame?.querySelector<HTMLElement>(`[data-key="${CSS.escape(key ?? '')}"]`) ?? null;
}

function focusOn(frame: HTMLElement | null, key: string | undefined, column: Place['column']): void {
  const row = rowOf(frame, key);
  const part = column === 'row' ? row : (row?.querySelector<HTMLElement>(`[data-column="${column}"]`) ?? row);
  // Where it is to be seen is said below: the browser would put it into the middle.
  part?.focus({ preventScroll: true });
  part?.scrollIntoView({ block: 'nearest', inline: 'nearest' });
}
