import { Text, UNSTABLE_Toast as AriaToast, UNSTABLE_ToastContent as ToastContent, UNSTABLE_ToastQueue as ToastQueue, UNSTABLE_ToastRegion as ToastRegion } from 'react-aria-components/Toast';
import { asProblem } from '../api/problem';
import { Button } from './Button';
import { CrossIcon } from './icons';
import styles from './Toast.module.css';

interface Message {
  tone: 'good' | 'bad';
  title: string;
  detail?: string | undefined;
}

const queue = new ToastQueue<Message>({ maxVisibleToasts: 3 });

/** Says that something worked. */
export function announce(title: string, detail?: string): void {
  queue.add({ tone: 'good', title, detail }, { timeout: 6_000 });
}

/** Says why something did not; stays until it is closed. */
export function complain(error: unknown): void {
  const { problem } = asProblem(error);
  queue.add({ tone: 'bad', title: problem.title, detail: problem.detail });
}

export function Toasts() {
  return (
    <ToastRegion queue={queue} className={styles.region ?? ''} aria-label="Messages">
      {({ toast }) => (
        <AriaToast toast={toast} className={`${styles.toast} ${styles[toast.content.tone]}`}>
          <ToastContent className={styles.content ?? ''}>
            <Text slot="title" className={styles.title ?? ''}>{toast.content.title}</Text>
            {toast.content.detail ? <Text slot="description">{toast.content.detail}</Text> : null}
          </ToastContent>
          <Button slot="close" tone="quiet" size="small" aria-label="Dismiss" icon={<CrossIcon />} />
        </AriaToast>
      )}
    </ToastRegion>
  );
}
