/** The product's main job, from the first visit on, as somebody does it who has never seen it. */

import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';

import type { Page } from '@playwright/test';

import { expect, settled, test } from '../src/fixtures.ts';
import { press, tabTo, typeInto } from '../src/keyboard.ts';
import { attempt, PASSWORD } from '../src/tenant.ts';

const agentRow = (page: Page) => page.getByRole('row', { name: /^code-reviewer/ });

/** Runs a command as somebody pastes it into a shell, and returns the answer. */
function paste(command: string): { amount_credits: number } {
  return JSON.parse(execFileSync('sh', ['-c', command], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })) as { amount_credits: number };
}

async function expectDead(token: string): Promise<void> {
  const refused = await attempt('POST', '/spend', token, { amount_credits: 1 });
  const { code } = (await refused.json()) as { code: string };
  expect([refused.status, code]).toEqual([401, 'revoked']);
}

test('sign up, delegate, spend by curl, watch the bar move, revoke, and the token is dead', async ({ page, context }) => {
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  await page.goto('/');
  await page.getByRole('link', { name: /create|sign up/i }).click();
  await page.getByRole('textbox', { name: 'Organisation' }).fill('Acme Robotics');
  await page.getByRole('textbox', { name: 'E-mail' }).fill(`flow-${randomUUID()}@acme.example`);
  await page.getByLabel('Password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Create organisation' }).click();
  await expect(page.getByRole('textbox', { name: 'Root token' })).toHaveValue(/^sgt_/);
  await page.getByText('I have kept the token').click();
  await page.getByRole('button', { name: 'Go to the dashboard' }).click();
  await expect(page.getByRole('heading', { name: 'Delegation & Budgets' })).toBeVisible();

  await page.getByRole('link', { name: 'New delegation' }).first().click();
  await page.getByRole('textbox', { name: 'Name' }).fill('code-reviewer');
  await page.getByRole('textbox', { name: 'Budget' }).fill('1000');
  await page.getByRole('button', { name: 'Delegate' }).click();
  const token = await page.getByRole('textbox', { name: 'Token' }).inputValue();
  expect(token).toMatch(/^sgt_/);
  const command = await page.getByRole('region', { name: 'curl code' }).innerText();

  // Leaving without it is asked about, because it cannot be shown again.
  await page.getByRole('link', { name: 'Delegations' }).click();
  await page.getByRole('alertdialog').getByRole('button', { name: 'Stay' }).click();
  await page.getByRole('button', { name: 'Copy token' }).click();
  await expect(page.getByRole('button', { name: 'Copied' })).toBeVisible();
  expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(token);

  await page.getByRole('link', { name: 'Delegations' }).click();
  await expect(agentRow(page)).toContainText('1,000 left');
  await expect(page.getByTestId('live')).toContainText('Live');
  const bar = () => agentRow(page).locator('[aria-hidden=true] > span').first().evaluate((part) => part.getBoundingClientRect().width);
  const before = await bar();
  let left = 1_000 - paste(command).amount_credits;
  await expect(agentRow(page)).toContainText(`${left.toLocaleString('en')} left`);
  left -= paste(command.replace('"amount_credits": 1,', '"amount_credits": 400,')).amount_credits;
  await expect(agentRow(page)).toContainText(`${left} left`);
  await expect.poll(bar, 'the bar moves without a reload').toBeGreaterThan(before + 5);

  await agentRow(page).getByText('code-reviewer').click();
  await settled(page);
  await page.getByRole('button', { name: /^Revoke/ }).click();
  const dialog = page.getByRole('alertdialog');
  await expect(dialog).toContainText('frees 599 cr');
  await expect(dialog.getByRole('button', { name: /^Revoke/ })).toBeDisabled();
  await dialog.getByRole('textbox', { name: 'Type its name to confirm' }).fill('code-reviewer');
  await dialog.getByRole('button', { name: /^Revoke/ }).click();
  await expect(page.getByText('Revoked', { exact: true }).first()).toBeVisible();
  await expectDead(token);
  expect(await page.content(), 'the token is shown once').not.toContain(token);
});

test('the same by the keyboard alone', async ({ page }) => {
  await page.goto('/');
  await settled(page);
  await press(page, page.getByRole('link', { name: /create|sign up/i }));
  await typeInto(page, page.getByRole('textbox', { name: 'Organisation' }), 'Acme Robotics');
  await typeInto(page, page.getByRole('textbox', { name: 'E-mail' }), `keys-${randomUUID()}@acme.example`);
  await typeInto(page, page.getByLabel('Password'), PASSWORD);
  await page.keyboard.press('Enter');
  await tabTo(page, page.getByRole('checkbox', { name: /I have kept the token/ }));
  await page.keyboard.press('Space');
  await press(page, page.getByRole('button', { name: 'Go to the dashboard' }));
  await expect(page.getByRole('heading', { name: 'Delegation & Budgets' })).toBeVisible();

  await press(page, page.getByRole('link', { name: 'New delegation' }).first());
  await typeInto(page, page.getByRole('textbox', { name: 'Name' }), 'code-reviewer');
  await typeInto(page, page.getByRole('textbox', { name: 'Budget' }), '1000');
  await page.keyboard.press('Enter');
  const field = page.getByRole('textbox', { name: 'Token' });
  const token = await field.inputValue();
  expect((await attempt('POST', '/spend', token, { amount_credits: 400 })).status).toBe(201);
  await tabTo(page, page.getByRole('checkbox', { name: /I have kept the token/ }));
  await page.keyboard.press('Space');
  await press(page, page.getByRole('link', { name: 'Delegations' }));

  // Into the tree, to the root, down to the child, and on to its page.
  await expect(agentRow(page)).toBeVisible();
  await tabTo(page, page.getByRole('treegrid').getByRole('row').nth(1));
  await page.keyboard.press('End');
  await expect(agentRow(page)).toBeFocused();
  await page.keyboard.press('Home');
  await page.keyboard.press('ArrowLeft');
  await expect(agentRow(page)).toHaveCount(0);
  await page.keyboard.press('ArrowRight');
  await page.keyboard.press('ArrowDown');
  await expect(agentRow(page)).toBeFocused();
  await page.keyboard.press('Enter');
  await settled(page);
  await press(page, page.getByRole('button', { name: /^Revoke/ }));
  const dialog = page.getByRole('alertdialog');
  await expect(dialog).toContainText('frees 600 cr');
  await typeInto(page, dialog.getByRole('textbox', { name: 'Type its name to confirm' }), 'code-reviewer');
  await press(page, dialog.getByRole('button', { name: /^Revoke/ }));
  await expect(page.getByText('Revoked', { exact: true }).first()).toBeVisible();
  await expectDead(token);
});

test('any delegation is two keys and some letters away', async ({ page, tenant, signIn }) => {
  await tenant.plantDemoTree();
  await signIn();
  await page.goto('/team');
  await settled(page);
  await page.keyboard.press('Control+k');
  await page.keyboard.type('deploy');
  await expect(page.getByRole('menuitem', { name: /deploy-bot/ }).or(page.getByRole('option', { name: /deploy-bot/ }))).toBeVisible();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('heading', { level: 1 })).toContainText('deploy-bot');
});
