/** What finance reads: spending, budgets, and when they run out. */

import { readFileSync } from 'node:fs';

import type { Page } from '@playwright/test';

import { expect, signIn as signInAs, test, visit } from '../src/fixtures.ts';
import { loadLargeTenant } from '../src/large.ts';

async function downloaded(page: Page, name: string): Promise<string[]> {
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: `Download ${name} as CSV` }).click()]);
  expect(download.suggestedFilename()).toBe(`${name}.csv`);
  return readFileSync(await download.path(), 'utf8').replace(/^\uFEFF/, '').trimEnd().split('\r\n');
}

test('budgets stand beside what was spent, as a picture, a table and a file', async ({ page, tenant, signIn }) => {
  await tenant.plantDemoTree();
  await signIn(await tenant.add('finance'));
  await visit(page, '/spend');
  const engineering = page.getByRole('listitem').filter({ hasText: 'Engineering' }).filter({ hasText: 'of 10,000' });
  await expect(engineering).toContainText('2,242 of 10,000 (22%)');
  await page.getByRole('radiogroup', { name: 'Show budget against actual as' }).getByText('Table').click();
  const table = page.getByRole('table', { name: 'Budget against actual' });
  await expect(table.getByRole('row', { name: /^Finance/ })).toContainText('5,000');
  await expect(table.getByRole('row', { name: /^Finance/ })).toContainText('120');
  const [header, ...lines] = await downloaded(page, 'budget-against-actual');
  expect(header).toContain('Cost centre,Budget,Spent');
  expect(lines.find((line) => line.startsWith('Engineering,'))).toMatch(/^Engineering,10000,2242,/);
});

test('what was spent is a picture, a table and a file, in the organisation’s time zone', async ({ page, tenant, signIn }) => {
  await tenant.plantDemoTree();
  await signIn();
  await visit(page, '/settings');
  const zone = page.getByRole('combobox', { name: 'Time zone' });
  await zone.fill('Asia/Tokyo');
  await zone.press('Tab');
  await page.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByText('Settings saved')).toBeVisible();
  await visit(page, '/spend');
  // The browser's is Europe/Berlin.
  await expect(page.getByText(/Complete up to .* GMT\+9\. Days and months begin in the time zone Asia\/Tokyo\./)).toBeVisible();
  await expect(page.getByRole('img', { name: /^Spend by cost centre, day by day: 2,362 credits in all/ })).toBeVisible();
  const lines = await downloaded(page, 'spend-by-cost-centre');
  const today = new Intl.DateTimeFormat('en-CA', { timeZone: 'Asia/Tokyo' });
  const days = [new Date(), new Date(Date.now() - 60_000)].map((at) => today.format(at));
  const spent = lines.slice(1).map((line) => line.split(','));
  expect(spent.every(([day]) => days.includes(day ?? '')), lines.join('\n')).toBe(true);
  expect(spent.map(([, centre]) => centre).sort()).toEqual(['Engineering', 'Finance']);
});

test('a forecast says what the server foresees, and why where it foresees nothing', async ({ page, tenant, signIn }) => {
  const agent = await tenant.mint('code-reviewer', 100);
  await signIn();
  await visit(page, `/delegations/${agent.id}`);
  await expect(page.getByText('There is too little history for a forecast.')).toBeVisible();
  await visit(page, `/delegations/${tenant.rootId}`);
  await expect(page.getByText('It has no budget that could run out.')).toBeVisible();
});

test('a delegation with a history shows how its budget burns down', async ({ page }) => {
  const { email, password, team } = loadLargeTenant('burning@acme.example', { nodes: 400, siblings: 10, entries: 4_000 });
  await signInAs(page, email, password);
  await visit(page, `/delegations/${team}`);
  const forecast = await page.evaluate(async (id) => {
    const response = await fetch(`/api/cloud/report/forecast?delegation_id=${id}`);
    return (await response.json()) as { days: { date: string; spent_credits: number }[]; run_out: { expected: string } | null };
  }, team);
  // Entries are loaded from the first of the month on; in its first days they are too few for a forecast.
  const day = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', year: 'numeric', timeZone: 'Europe/Berlin' });
  const words = forecast.run_out ? `runs out on ${day.format(new Date(forecast.run_out.expected))}` : 'There is too little history for a forecast.';
  await expect(page.getByRole('main')).toContainText(words);
  if (forecast.days.length === 0) return;
  await expect(page.getByRole('img', { name: /^What remains over time\./ })).toBeVisible();
  const lines = await downloaded(page, 'burn-down');
  expect(lines).toEqual(['Day,Spent', ...forecast.days.map((day) => `${day.date},${day.spent_credits}`)]);
});
