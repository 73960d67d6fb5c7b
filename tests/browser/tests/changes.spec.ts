/** What can be done to a delegation on its page, seen from the page and from its agent. */

import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';

import { expect, test, visit } from '../src/fixtures.ts';
import { attempt, call, spend, type Delegation } from '../src/tenant.ts';

const amount = async (token: string, credits: number) => (await attempt('POST', '/spend', token, { amount_credits: credits })).status;

test('a raised budget is what the agent can spend, and the new token says so', async ({ page, tenant, signIn }) => {
  const agent = await tenant.mint('agent', 100);
  await signIn();
  await visit(page, `/delegations/${agent.id}`);
  await page.getByRole('button', { name: 'Change…' }).click();
  const budget = page.getByRole('dialog').getByRole('textbox', { name: /^Budget/ });
  await budget.fill('nothing');
  await expect(page.getByRole('button', { name: 'Save' })).toBeDisabled();
  await budget.fill('250');
  await page.getByRole('button', { name: 'Save' }).click();
  const shown = page.getByRole('alertdialog', { name: 'The new token' });
  const token = await shown.getByRole('textbox', { name: 'Token' }).inputValue();
  await expect(shown.getByRole('button', { name: 'Done' })).toBeDisabled();
  await shown.getByText('I have kept the token').click();
  await shown.getByRole('button', { name: 'Done' }).click();
  expect(await amount(token, 200)).toBe(201);
  await expect(page.getByText('50', { exact: true }).first()).toBeVisible();
});

test('what somebody else has changed meanwhile is not overwritten', async ({ page, tenant, signIn }) => {
  const agent = await tenant.mint('agent', 100);
  await page.route('**/api/cloud/event*', (route) => route.abort());
  await signIn();
  await visit(page, `/delegations/${agent.id}`);
  await page.getByRole('button', { name: 'Change…' }).click();
  const headers = { 'Authorization': `Bearer ${tenant.rootToken}`, 'If-Match': '"1"' };
  const changed = await page.request.patch(`/api/cloud/delegation/${agent.id}`, { headers, data: { label: 'renamed' } });
  expect(changed.status()).toBe(200);
  await page.getByRole('dialog').getByRole('textbox', { name: /^Budget/ }).fill('90');
  await page.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByRole('dialog')).toContainText('Somebody changed it meanwhile');
  const now = await call<{ budget_credits: number }>('GET', `/delegation/${agent.id}`, tenant.rootToken);
  expect(now.budget_credits).toBe(100);
});

test('a freeze stops it and everything below at once, and it goes on afterwards', async ({ page, tenant, signIn }) => {
  const team = await tenant.mint('team', 500);
  const agent = await tenant.mint('agent', 100, { parent_id: team.id });
  await signIn();
  await visit(page, `/delegations/${team.id}`);
  await page.getByRole('button', { name: 'Freeze…' }).click();
  await page.getByRole('alertdialog').getByRole('button', { name: 'Freeze' }).click();
  await expect(page.getByRole('button', { name: 'Unfreeze' })).toBeVisible();
  expect(await amount(agent.token, 1)).toBe(403);
  await page.getByRole('button', { name: 'Unfreeze' }).click();
  // Exactly, because a button that is pending is called 'Unfreeze…'.
  await expect(page.getByRole('button', { name: 'Freeze…', exact: true })).toBeVisible();
  expect(await amount(agent.token, 1)).toBe(201);
});

test('a rotation ends the old token at once where that is asked for, and what was spent stays', async ({ page, tenant, signIn }) => {
  const agent = await tenant.mint('agent', 100);
  await spend(agent.token, 40);
  await signIn();
  await visit(page, `/delegations/${agent.id}`);
  await page.getByRole('button', { name: 'Rotate…' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText('End them now').click();
  await dialog.getByRole('button', { name: 'Make a new token' }).click();
  const token = await page.getByRole('alertdialog').getByRole('textbox', { name: 'Token' }).inputValue();
  expect(await amount(agent.token, 1)).toBe(401);
  expect(await amount(token, 61)).toBe(402);
  expect(await amount(token, 60)).toBe(201);
});

test('an address fills the form in, and the child is bound by what its parent is bound by', async ({ page, tenant, signIn }) => {
  const team = await tenant.mint('ML Team', 5_000, { department: 'ML Team', limits: [{ per: 'day', credits: 200 }] });
  await signIn();
  await visit(page, `/delegations/new?parent=${team.id}&budget=750`);
  await expect(page.getByRole('textbox', { name: /^Budget/ })).toHaveValue('750');
  await expect(page.getByText('5,000 credits are available')).toBeVisible();
  await expect(page.getByRole('textbox', { name: /^Department/ })).toBeDisabled();
  const panel = page.getByRole('complementary', { name: 'What it inherits and adds' });
  await expect(panel).toContainText('ML Team');
  await expect(panel).toContainText('200');
  await page.getByRole('textbox', { name: /^Name/ }).fill('test-runner');
  await page.getByText('7 days', { exact: true }).click();
  await page.getByRole('button', { name: 'Delegate' }).click();
  await expect(page.getByRole('heading', { level: 1 })).toContainText('Delegated: test-runner');
  const { data } = await call<{ data: Delegation[] }>('GET', `/delegation?parent_id=${team.id}`, tenant.rootToken);
  expect(data).toMatchObject([{ label: 'test-runner', budget_credits: 750, department: 'ML Team' }]);
});

test('the code that is offered for other languages spends when it is run', async ({ page, tenant, signIn }, info) => {
  await signIn();
  await visit(page, '/delegations/new?budget=10');
  await page.getByRole('textbox', { name: /^Name/ }).fill('agent');
  await page.getByRole('button', { name: 'Delegate' }).click();
  const code = async (language: string) => {
    await page.getByRole('tab', { name: language }).click();
    return await page.getByRole('region', { name: `${language} code` }).innerText();
  };
  const run = (program: string, ...args: string[]) => execFileSync(program, args, { encoding: 'utf8', env: { ...process.env, FORCE_COLOR: '0' } });
  expect(run('python3', '-c', await code('Python'))).toContain("'remaining_credits': 9");
  const source = info.outputPath('spend.mts');
  writeFileSync(source, await code('TypeScript'));
  run('node_modules/.bin/tsc', source, '--ignoreConfig', '--strict', '--target', 'es2022', '--module', 'nodenext', '--types', 'node');
  expect(run('node', source.replace(/mts$/, 'mjs'))).toContain('remaining_credits: 8');
  await expect(page.getByText('Its first spend has arrived: 2 of 10 credits are spent.')).toBeVisible();
  const root = await call<{ spent_credits: number }>('GET', '/delegation/self', tenant.rootToken);
  expect(root.spent_credits).toBe(2);
});
