/** Whether what is on screen is so, and what of the tree is on screen. */

import { expect, test, visit } from '../src/fixtures.ts';
import { spend } from '../src/tenant.ts';

test('without a network the page says that it may be out of date, and catches up afterwards', async ({ page, context, tenant, signIn }) => {
  const agent = await tenant.mint('code-reviewer', 1_000);
  await signIn();
  await visit(page, '/delegations');
  const badge = page.getByTestId('live');
  await expect(badge).toHaveText('Live');
  await context.setOffline(true);
  await expect(badge).toHaveText('Offline');
  await spend(agent.token, 321);
  await context.setOffline(false);
  await expect(badge).toHaveText('Live');
  const row = page.getByRole('row', { name: /code-reviewer/ });
  await expect(row).toContainText('321');
});

test('where events do not come, the page says so and goes on trying', async ({ page, tenant, signIn }) => {
  await tenant.mint('code-reviewer', 1_000);
  await page.route('**/api/cloud/event*', (route) => route.abort());
  await signIn();
  await visit(page, '/delegations');
  await expect(page.getByTestId('live')).toHaveText('Stale');
  await page.unroute('**/api/cloud/event*');
  await expect(page.getByTestId('live')).toHaveText('Live', { timeout: 15_000 });
});

test('where the server fails, the page says what failed and asks again when told to', async ({ page, tenant, signIn }) => {
  await tenant.mint('code-reviewer', 1_000);
  await signIn();
  const failing = /\/api\/cloud\/delegation/;
  const problem = { type: 'about:blank', title: 'Service Unavailable', status: 503, code: 'unavailable', detail: 'The database is away.', request_id: 'req_x' };
  await page.route(failing, (route) => route.fulfill({ status: 503, contentType: 'application/problem+json', json: problem }));
  await page.goto('/delegations');
  await expect(page.getByText('The database is away.')).toBeVisible({ timeout: 30_000 });
  await page.unroute(failing);
  await page.getByRole('button', { name: /again/i }).first().click();
  await expect(page.getByRole('row', { name: /code-reviewer/ })).toBeVisible();
});

test('filters stand in the address, and what is found keeps those above it', async ({ page, tenant, signIn }) => {
  await tenant.plantDemoTree();
  await signIn();
  await visit(page, '/delegations');
  await page.getByRole('searchbox', { name: 'Search by name' }).fill('deploy');
  const row = (name: RegExp) => page.getByRole('treegrid').getByRole('row', { name });
  await expect(row(/deploy-bot/)).toBeVisible();
  await expect(row(/Platform Team/)).toBeVisible();
  await expect(row(/Engineering/)).toBeVisible();
  await expect(row(/code-reviewer/)).toHaveCount(0);
  await expect(page).toHaveURL(/[?&]q=deploy/);
  await page.goto('/delegations?cost_center=Finance');
  await expect(row(/expense-analyzer/)).toBeVisible();
  await expect(row(/deploy-bot/)).toHaveCount(0);
  await page.getByRole('button', { name: 'Clear' }).click();
  await expect(row(/Engineering/)).toBeVisible();
  await expect(page).not.toHaveURL(/cost_center/);
});
