/** Months, as finance closes them. */

import { readFileSync } from 'node:fs';

import { beThereSince } from '../src/database.ts';
import { expect, expectAccessible, test, visit } from '../src/fixtures.ts';
import { call } from '../src/tenant.ts';

/** `2026-10` and `October 2026`, so many months before the current one. */
function monthsAgo(count: number): { month: string; name: string } {
  const now = new Date();
  const at = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - count, 1));
  const name = new Intl.DateTimeFormat('en-GB', { month: 'long', year: 'numeric', timeZone: 'UTC' }).format(at);
  return { month: at.toISOString().slice(0, 7), name };
}

test('finance closes a month, exports it, and only those who manage open it again', async ({ page, tenant, signIn }) => {
  await tenant.plantDemoTree();
  const [current, last, before] = [monthsAgo(0), monthsAgo(1), monthsAgo(2)];
  // Months are listed, and can be closed, from the first one in which there was the organisation.
  await beThereSince(tenant, `${before.month}-01T00:00:00Z`);
  await call('POST', `/period/${before.month}/close`, tenant.rootToken, {});
  await signIn(await tenant.add('finance'));
  await visit(page, '/spend');
  const months = page.getByRole('table', { name: 'Months' });
  const row = (name: string) => months.getByRole('row', { name: new RegExp(`^${name}`) });
  await expect(row(current.name)).toContainText(/2,362.*\$23\.62.*Current/);
  await expect(row(before.name)).toContainText('Closed on');
  await expect(row(before.name).getByRole('button')).toHaveCount(0);
  await expect(row(current.name).getByRole('button')).toHaveCount(0);

  await row(last.name).getByRole('button', { name: `Close ${last.name}` }).click();
  const dialog = page.getByRole('alertdialog', { name: `Close ${last.name}?` });
  await expect(dialog).toContainText('0 cr were spent, which cost $0.00 at 0.01 USD for each');
  await expectAccessible(page, 'the question before a month is closed');
  await dialog.getByRole('button', { name: 'Close the month' }).click();
  await expect(page.getByText(`${last.name} is closed`)).toBeVisible();
  await expect(row(last.name)).toContainText('Closed on');

  const [download] = await Promise.all([page.waitForEvent('download'), row(current.name).getByRole('link', { name: `Download ${current.name} in FOCUS` }).click()]);
  expect(download.suggestedFilename()).toBe(`focus-1.2-${current.month}.csv`);
  const [header, ...lines] = readFileSync(await download.path(), 'utf8').trimEnd().split('\r\n');
  expect(header).toMatch(/^AvailabilityZone,BilledCost,.*,x_CostCenter,x_Department$/);
  expect(lines.length).toBeGreaterThanOrEqual(4);
  expect(lines.every((line) => line.includes(',Credits spent,'))).toBe(true);

  await signIn();
  await visit(page, '/spend');
  await row(last.name).getByRole('button', { name: `Open again ${last.name}` }).click();
  await page.getByRole('alertdialog').getByRole('button', { name: 'Open it again' }).click();
  await expect(row(last.name)).toContainText('Open');
  await expect(row(last.name).getByRole('button', { name: `Close ${last.name}` })).toBeVisible();
  await visit(page, '/activity');
  const activity = page.getByRole('table', { name: /Activity/ });
  await expect(activity).toContainText('Opened a month again');
  await expect(activity).toContainText('Closed a month');
});
