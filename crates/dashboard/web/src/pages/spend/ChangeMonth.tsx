import { useMutation } from '@tanstack/react-query';
import { api, ok } from '../../api/client';
import type { AccountingPeriod } from '../../api/schema';
import { money, monthName } from '../../lib/format';
import { Button } from '../../parts/Button';
import { Dialog } from '../../parts/Dialog';
import { FormProblem } from '../../parts/States';
import { CreditAmount } from '../../parts/text';
import { announce } from '../../parts/Toast';

export type Change = 'close' | 'reopen';

interface ChangeMonthProps {
  month: AccountingPeriod;
  change: Change;
  onDone: () => void;
  onClose: () => void;
}

/** Says what it means to close a month, or to open it again, and does it. */
export function ChangeMonth({ month, change, onDone, onClose }: ChangeMonthProps) {
  const name = monthName(month.month);
  const closes = change === 'close';
  const apply = useMutation({
    mutationFn: () => {
      const options = { params: { path: { month: month.month } }, body: {} };
      return ok(closes ? api.POST('/api/cloud/period/{month}/close', options) : api.POST('/api/cloud/period/{month}/reopen', options));
    },
    onSuccess: () => {
      onDone();
      onClose();
      announce(closes ? `${name} is closed` : `${name} is open again`);
    },
  });
  return (
    <Dialog
      title={closes ? `Close ${name}?` : `Open ${name} again?`}
      role="alertdialog"
      isOpen
      onClose={onClose}
      footer={
        <>
          <Button onPress={onClose}>Cancel</Button>
          <Button tone="primary" onPress={() => apply.mutate()} isPending={apply.isPending}>{closes ? 'Close the month' : 'Open it again'}</Button>
        </>
      }
    >
      <FormProblem error={apply.error} />
      {closes ? (
        <p>
          <CreditAmount value={month.spent_credits} unit="with" /> were spent, which cost {money(month.cost, month.currency)} at {month.credit_price} {month.currency} for each. Its
          days, currency and price stay as they are now, whatever is set later. What is given back from now on counts in the month in which that happens.
        </p>
      ) : (
        <p>Its days, currency and price follow what is set for the organisation again, and its exports may change. Nothing that was spent changes.</p>
      )}
    </Dialog>
  );
}
