import { useEffect, useRef, useState } from 'react';
import { Button } from './Button';
import { CheckIcon, CopyIcon } from './icons';
import styles from './CopyField.module.css';

/** Copies a text and says so. Where the browser forbids it (no secure context), the text is selected to be copied by hand. */
export function CopyButton({ text, label, onCopied, tone = 'plain' }: { text: string; label: string; onCopied?: () => void; tone?: 'plain' | 'primary' }) {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), 2_000);
    return () => clearTimeout(timer);
  }, [copied]);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setCopied(true);
      onCopied?.();
    } catch {
      setCopied(false);
    }
  };
  return (
    <>
      <Button size="small" tone={tone} onPress={() => void copy()} icon={copied ? <CheckIcon /> : <CopyIcon />}>
        {copied ? 'Copied' : label}
      </Button>
      <span className="visually-hidden" role="status">{copied ? 'Copied' : ''}</span>
    </>
  );
}

/** A secret or an id on one line, with a button to copy it. */
export function CopyField({ label, text, onCopied }: { label: string; text: string; onCopied?: () => void }) {
  const field = useRef<HTMLInputElement>(null);
  return (
    <div className={styles.row}>
      <input ref={field} className={styles.text} aria-label={label} value={text} readOnly spellCheck={false} onFocus={() => field.current?.select()} onCopy={onCopied} />
      <CopyButton text={text} label={`Copy ${label.toLowerCase()}`} tone="primary" {...(onCopied ? { onCopied } : {})} />
    </div>
  );
}

/** Several lines of code, with a button to copy them. */
export function CopyBlock({ label, text }: { label: string; text: string }) {
  return (
    <div className={styles.block}>
      <pre className={styles.code} tabIndex={0} role="region" aria-label={label}><code>{text}</code></pre>
      <div className={styles.corner}><CopyButton text={text} label="Copy" /></div>
    </div>
  );
}
