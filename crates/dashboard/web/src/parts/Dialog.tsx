import type { ReactNode } from 'react';
import { Dialog as AriaDialog, Heading, Modal, ModalOverlay } from 'react-aria-components';
import { Button } from './Button';
import { CrossIcon } from './icons';
import styles from './Dialog.module.css';

interface DialogProps {
  title: ReactNode;
  isOpen: boolean;
  onClose: () => void;
  children: ReactNode;
  /** The buttons, the main one last. */
  footer?: ReactNode;
  role?: 'dialog' | 'alertdialog';
  /** `deliberate` ones close by their buttons alone: for what is shown once. */
  closing?: 'easy' | 'deliberate';
  width?: 'regular' | 'wide';
}

export function Dialog({ title, isOpen, onClose, children, footer, role = 'dialog', closing = 'easy', width = 'regular' }: DialogProps) {
  const easy = closing === 'easy';
  return (
    <ModalOverlay
      className={styles.scrim ?? ''}
      isOpen={isOpen}
      onOpenChange={(open) => (open ? undefined : onClose())}
      isDismissable={easy && role === 'dialog'}
      isKeyboardDismissDisabled={!easy}
    >
      <Modal className={`${styles.modal} ${styles[width]}`}>
        <AriaDialog role={role} className={styles.dialog ?? ''}>
          <header className={styles.head}>
            <Heading slot="title" level={2}>{title}</Heading>
            {easy ? <Button tone="quiet" size="small" aria-label="Close" icon={<CrossIcon />} onPress={onClose} /> : null}
          </header>
          <div className={styles.body}>{children}</div>
          {footer ? <footer className={styles.foot}>{footer}</footer> : null}
        </AriaDialog>
      </Modal>
    </ModalOverlay>
  );
}
