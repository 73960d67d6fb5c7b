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

/**
 * While it is pending it keeps the focus and does nothing. React Aria's own `isPending` is not used: what it announces by
 * reference to the button outlives a button that goes away with its page, and is then an image without a name.
 */
export function Button({ tone = 'plain', size = 'regular', icon, children, isPending = false, ...props }: ButtonProps) {
  const inert = isPending ? { onPress: () => {}, type: 'button' as const } : {};
  return (
    <AriaButton {...props} {...inert} className={`${classes(tone, size, children !== undefined)} ${isPending ? styles.pending : ''}`}>
      {icon}
      {children}
      {isPending ? '…' : null}
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

/** A link that looks like a button, for saving what the server makes as a file. */
export function DownloadLink({ tone = 'plain', size = 'regular', icon, children, href, label }: { tone?: Tone; size?: 'regular' | 'small'; icon?: ReactNode; children: ReactNode; href: string; label: string }) {
  return (
    <a href={href} download className={classes(tone, size, true)} aria-label={label}>
      {icon}
      {children}
    </a>
  );
}

function classes(tone: Tone, size: 'regular' | 'small', withText: boolean): string {
  return [styles.button, styles[tone], styles[size], withText ? '' : styles.square].join(' ');
}
