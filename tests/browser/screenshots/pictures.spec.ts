import { join } from 'node:path';

import { expect, settled, signIn as signInAs, test } from '../src/fixtures.ts';
import { loadLargeTenant } from '../src/large.ts';
import { SCHEMES } from '../src/pages.ts';
import { spend, Tenant } from '../src/tenant.ts';

const PICTURES = join(import.meta.dirname, '../../../docs/screenshots');

const picture = (name: string, scheme: string) => join(PICTURES, `${name}-${scheme}.png`);

test('delegations, a new one, and one of them', async ({ page }) => {
  const tenant = await Tenant.signUp('Acme Robotics', 'ada@acme.example');
  const tree = await tenant.plantDemoTree();
  await signInAs(page, tenant.owner.email);
  const places = {
    delegations: '/delegations',
    create: `/delegations/new?parent=${tree['ML Team']?.id}&budget=1000`,
    delegation: `/delegations/${tree['ML Team']?.id}`,
  };
  for (const scheme of SCHEMES) {
    await page.emulateMedia({ colorScheme: scheme });
    for (const [name, path] of Object.entries(places)) {
      await page.goto(path);
      await settled(page);
      if (name === 'delegations') {
        for (const label of ['Engineering', 'ML Team', 'Platform Team', 'Finance']) {
          const row = page.getByRole('row').filter({ has: page.getByText(label, { exact: true }) }).first();
          await row.focus();
          if ((await row.getAttribute('aria-expanded')) === 'false') {
            await page.keyboard.press('ArrowRight');
          }
        }
        await expect(page.getByRole('row', { name: /expense-analyzer/ })).toBeVisible();
        await page.evaluate(() => (document.activeElement as HTMLElement | null)?.blur());
      }
      await page.screenshot({ path: picture(name, scheme), animations: 'disabled' });
    }
  }
  expect((await spend(tree['code-reviewer']?.token ?? '', 1)).id).toMatch(/^spd_/);
});

test('spending', async ({ page }) => {
  test.setTimeout(180_000);
  await page.setViewportSize({ width: 1360, height: 620 });
  const { email, password } = loadLargeTenant('finance@acme.example', { nodes: 5_000, siblings: 10, entries: 8_000 });
  await signInAs(page, email, password);
  for (const scheme of SCHEMES) {
    await page.emulateMedia({ colorScheme: scheme });
    await page.goto('/spend');
    await settled(page);
    await page.screenshot({ path: picture('spend', scheme), animations: 'disabled' });
  }
});
