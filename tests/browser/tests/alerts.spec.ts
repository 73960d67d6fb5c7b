/** Alerts and webhooks: who is told that credits run low. */

import type { Page } from '@playwright/test';

import { expect, test as base, visit } from '../src/fixtures.ts';
import { Receiver, signature } from '../src/receiver.ts';
import { spend } from '../src/tenant.ts';

const test = base.extend<{ receiver: Receiver }>({
  receiver: async ({}, use) => {
    const receiver = await Receiver.start();
    await use(receiver);
    receiver.close();
  },
});

/** Adds a webhook as somebody does it, and returns the secret that is shown once. */
async function addWebhook(page: Page, url: string): Promise<string> {
  await page.getByRole('button', { name: 'Add a webhook' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('textbox', { name: 'Address' }).fill(url);
  await dialog.getByRole('textbox', { name: 'Description' }).fill('the pager');
  await dialog.getByRole('button', { name: 'Add' }).click();
  const secret = await page.getByRole('textbox', { name: 'Signing secret' }).inputValue();
  await page.getByRole('button', { name: 'Done' }).click();
  await expect(page.getByRole('table', { name: 'Webhooks' })).toContainText(url);
  expect(await page.content(), 'it is shown once').not.toContain(secret);
  return secret;
}

test('an alert is added, fires once its threshold is reached, and the webhook is told', async ({ page, tenant, signIn, receiver }) => {
  const agent = await tenant.mint('code-reviewer', 100);
  await signIn();
  await visit(page, '/settings');
  await expect(page.getByText('No alerts')).toBeVisible();
  const secret = await addWebhook(page, receiver.url);

  await page.getByRole('button', { name: 'Add an alert' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('combobox', { name: 'Delegation' }).fill('code-rev');
  await page.getByRole('option', { name: /code-reviewer/ }).click();
  await dialog.getByRole('textbox', { name: 'Part' }).fill('0');
  await expect(dialog.getByRole('button', { name: 'Add' }), 'nothing is no part').toBeDisabled();
  await dialog.getByRole('textbox', { name: 'Part' }).fill('80');
  await dialog.getByRole('button', { name: 'Add' }).click();
  const alert = page.getByRole('table', { name: 'Alerts' }).getByRole('row', { name: /code-reviewer/ });
  await expect(alert).toContainText('80% of the budget is spent or held');
  await expect(alert).toContainText('0 of 100 (0%)');
  await expect(alert).toContainText('never');

  await spend(agent.token, 85);
  await expect.poll(() => receiver.calls.length, { timeout: 60_000 }).toBe(1);
  const [call] = receiver.calls;
  const told = JSON.parse(call?.body ?? '') as { type: string; data: { delegation_id: string } };
  expect([told.type, told.data.delegation_id]).toEqual(['alert.fired', agent.id]);
  expect(call?.headers['webhook-signature']).toBe(call && signature(secret, call));

  await visit(page, '/settings');
  await expect(alert).toContainText('85 of 100 (85%)');
  await expect(alert).not.toContainText('never');
  await page.getByRole('button', { name: /^Delete the alert on code-reviewer/ }).click();
  await expect(page.getByText('No alerts')).toBeVisible();
});

test('a webhook is tried out, shows what it was sent, and is deleted', async ({ page, signIn, receiver }) => {
  await signIn();
  await visit(page, '/settings');
  await addWebhook(page, receiver.url);
  await page.getByRole('button', { name: `Send a test to ${receiver.url}` }).click();
  const deliveries = page.getByRole('dialog', { name: 'Deliveries' });
  const sent = deliveries.getByRole('row', { name: /webhook\.test/ });
  await expect(sent).toContainText('Delivered');
  await expect(sent).toContainText('204');
  expect(receiver.calls).toHaveLength(1);
  await deliveries.getByRole('button', { name: 'Close' }).last().click();
  await page.getByRole('button', { name: `Delete the webhook ${receiver.url}` }).click();
  await expect(page.getByText('No webhooks')).toBeVisible();
});

test('an address that cannot be called is refused beside its field', async ({ page, signIn }) => {
  await signIn();
  await visit(page, '/settings');
  await page.getByRole('button', { name: 'Add a webhook' }).click();
  const dialog = page.getByRole('dialog');
  const address = dialog.getByRole('textbox', { name: 'Address' });
  await address.fill('ftp://a.example/');
  await dialog.getByRole('button', { name: 'Add' }).click();
  await expect(address).toHaveAttribute('aria-invalid', 'true');
  await expect(address).toHaveAccessibleDescription(/\S/);
});

test('an amount within a window is an alert as well, on everything where no delegation is named', async ({ page, tenant, signIn }) => {
  await signIn(await tenant.add('finance'));
  await visit(page, '/settings');
  await expect(page.getByRole('heading', { name: 'Webhooks' }), 'an address can be a secret').toHaveCount(0);
  await page.getByRole('button', { name: 'Add an alert' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText('An amount', { exact: true }).click();
  await dialog.getByRole('textbox', { name: 'Amount' }).fill('1,500');
  await dialog.getByRole('button', { name: 'Add' }).click();
  await expect(page.getByRole('table', { name: 'Alerts' })).toContainText('1,500 credits are spent within a day');
});
