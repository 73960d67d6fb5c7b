/** One delegation's page: its ledger, and the end of it. */

import type { Locator, Page } from '@playwright/test';

import { expect, test, visit } from '../src/fixtures.ts';
import { attempt, spend } from '../src/tenant.ts';

/** Opens what a revocation would do. */
async function preview(page: Page, id: string): Promise<Locator> {
  await visit(page, `/delegations/${id}`);
  await page.getByRole('button', { name: /^Revoke/ }).click();
  return page.getByRole('alertdialog');
}

test('the newest entries of the ledger come first, and older ones are shown on request', async ({ page, tenant, signIn }) => {
  const agent = await tenant.mint('code-reviewer', 10_000);
  for (let number = 1; number <= 52; number += 1) {
    await spend(agent.token, number, `review ${number}`);
  }
  await signIn();
  await visit(page, `/delegations/${agent.id}`);
  const described = page.getByRole('table', { name: 'Ledger' }).getByRole('cell', { name: /^review/ });
  await expect(described).toHaveCount(50);
  await expect(described.first()).toHaveText('review 52');
  await page.getByRole('button', { name: 'Show more' }).click();
  await expect(described).toHaveCount(52);
  await expect(described.last()).toHaveText('review 1');
  // What is spent meanwhile appears at the top, without a reload.
  await spend(agent.token, 1, 'review 53');
  await expect(described.first()).toHaveText('review 53');
});

test('a preview is stale as soon as something is made below, and must be asked for again', async ({ page, tenant, signIn }) => {
  const team = await tenant.mint('team', 500);
  await signIn();
  const dialog = await preview(page, team.id);
  await expect(dialog).toContainText('Invalidates it alone, frees 500 cr');
  const revoke = dialog.getByRole('button', { name: 'Revoke for good' });
  await expect(revoke).toBeEnabled();
  await tenant.mint('agent', 100, { parent_id: team.id });
  await expect(dialog).toContainText('It has changed since this preview');
  await expect(revoke).toBeDisabled();
  await dialog.getByRole('button', { name: 'Preview again' }).click();
  await expect(dialog).toContainText('Invalidates it and 1 descendant, frees 500 cr');
  await revoke.click();
  await expect(dialog).toHaveCount(0);
  expect((await attempt('POST', '/spend', team.token, { amount_credits: 1 })).status).toBe(401);
});

test('where the page has not heard of it, the server refuses what the preview did not show', async ({ page, tenant, signIn }) => {
  const team = await tenant.mint('team', 500);
  await page.route('**/api/cloud/event*', (route) => route.abort());
  await signIn();
  const dialog = await preview(page, team.id);
  await expect(dialog).toContainText('Invalidates it alone');
  await tenant.mint('agent', 100, { parent_id: team.id });
  await dialog.getByRole('button', { name: 'Revoke for good' }).click();
  await expect(dialog).toContainText('It has changed since this preview');
  expect((await attempt('POST', '/spend', team.token, { amount_credits: 1 })).status).toBe(201);
});
