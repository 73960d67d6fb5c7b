import { Button as AriaButton, type ButtonProps as AriaButtonProps } from 'react-aria-components';
import { Link as RouterLink } from 'react-router';
import type { ReactNode } from 'react';
import styles from './Button.module.css';

/** `danger` does what cannot be undone; `grave` leads there. */
export type Tone = 'primary' | 'plain' | 'danger' | 'grave' | 'quiet';

interface ButtonProps extends Omit<AriaButtonProps, 'className' | 'style'> {
  tone?: Tone;
  icon?: ReactNode;
  size?: 'regular' | 'small';
  children?: ReactNode;
}

export function Button({ tone = 'plain', size = 'regular', icon, children, ...props }: ButtonProps) {
  return (
    <AriaButton {...props} className={classes(tone, size, children !== undefined)}>
      {icon}
      {children}
    </AriaButton>
  );
}

/** A link that looks like a button, for going somewhere. */
export function ButtonLink({ tone = 'plain', size = 'regular', icon, children, to }: { tone?: Tone; size?: 'regular' | 'small'; icon?: ReactNode; children: ReactNode; to: string }) {
  return (
    <RouterLink to={to} className={classes(tone, size, true)}>
      {icon}
      {children}
    </RouterLink>
  );
}

function classes(tone: Tone, size: 'regular' | 'small', withText: boolean): string {
  return [styles.button, styles[tone], styles[size], withText ? '' : styles.square].join(' ');
}
