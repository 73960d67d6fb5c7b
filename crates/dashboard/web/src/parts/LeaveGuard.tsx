import { useEffect } from 'react';
import { useBlocker } from 'react-router';
import { Button } from './Button';
import { Dialog } from './Dialog';

/** Asks before anything unrepeatable on the page is left behind: `what` completes "Leave without …?". */
export function LeaveGuard({ what, detail }: { what: string; detail: string }) {
  const blocker = useBlocker(({ currentLocation, nextLocation }) => currentLocation.pathname !== nextLocation.pathname);
  useEffect(() => {
    const ask = (event: BeforeUnloadEvent) => event.preventDefault();
    addEventListener('beforeunload', ask);
    return () => removeEventListener('beforeunload', ask);
  }, []);
  const stay = () => blocker.reset?.();
  return (
    <Dialog
      role="alertdialog"
      title={`Leave without ${what}?`}
      isOpen={blocker.state === 'blocked'}
      onClose={stay}
      footer={
        <>
          <Button onPress={stay} autoFocus>Stay</Button>
          <Button tone="danger" onPress={() => blocker.proceed?.()}>Leave</Button>
        </>
      }
    >
      <p>{detail}</p>
    </Dialog>
  );
}
