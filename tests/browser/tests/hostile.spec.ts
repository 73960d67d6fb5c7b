/** Texts that somebody wrote to do harm are shown, and do nothing. */

import { readFileSync } from 'node:fs';

import type { Page } from '@playwright/test';

import { expect, settled, test, visit } from '../src/fixtures.ts';
import { spend } from '../src/tenant.ts';

const HOSTILE = {
  markup: '<img src=x onerror="window.harmed=1"><script>window.harmed=1</script>',
  rightToLeft: 'فاتورة \u05D0\u05D1 exe.png',
  emoji: '💥'.repeat(60),
  formula: '=HYPERLINK("https://evil.example","click")',
  attribute: '"><svg/onload=window.harmed=1>',
  template: '{{constructor.constructor("window.harmed=1")()}}',
  long: 'W'.repeat(250),
};

async function expectUnharmed(page: Page, where: string): Promise<void> {
  expect(await page.evaluate(() => Reflect.get(window, 'harmed') as unknown), where).toBeUndefined();
  expect(await page.locator('img[src=x], svg[onload], main script').count(), where).toBe(0);
  const { scrolled, wide } = await page.evaluate(() => ({ scrolled: document.documentElement.scrollWidth, wide: innerWidth }));
  expect(scrolled, `${where} is not wider than the window`).toBeLessThanOrEqual(wide);
}

test('hostile names are inert on every page', async ({ page, tenant, signIn }) => {
  const ids: string[] = [];
  for (const [label, name] of Object.entries(HOSTILE)) {
    const delegation = await tenant.mint(name, 100, { cost_center: name, department: name });
    await spend(delegation.token, 7, name);
    ids.push(delegation.id);
    expect(delegation.label, label).toBe(name);
  }
  await signIn();
  for (const path of ['/delegations', '/spend', '/activity', '/team', '/settings', ...ids.map((id) => `/delegations/${id}`), `/delegations/new?parent=${ids[0]}`]) {
    await visit(page, path);
    await expectUnharmed(page, path);
  }
});

test('what would turn the text around it is refused where it is typed', async ({ page, signIn }) => {
  await signIn();
  await visit(page, '/delegations/new');
  await page.getByRole('textbox', { name: 'Name' }).fill('invoice \u202Egnp.exe');
  await page.getByRole('textbox', { name: 'Budget' }).fill('10');
  await page.getByRole('button', { name: 'Delegate' }).click();
  await expect(page.getByText(/text-direction characters/).first()).toBeVisible();
  await expect(page.getByRole('textbox', { name: 'Token' })).toHaveCount(0);
});

test('hostile parameters of the address are inert', async ({ page, signIn }) => {
  await signIn();
  const text = encodeURIComponent(HOSTILE.markup);
  const paths = [
    `/delegations?q=${text}&status=${text}&cost_center=${text}&department=${text}`,
    `/delegations/new?parent=${text}&budget=${text}&label=${text}`,
    `/delegations/${text}`,
    `/activity?action=${text}&actor=${text}&target=${text}`,
    `/spend?from=${text}&to=${text}`,
    `/nothing/${text}`,
  ];
  for (const path of paths) {
    await page.goto(path);
    await settled(page);
    await expectUnharmed(page, path);
  }
});

test('an address that leads elsewhere after the sign-in is not followed', async ({ page, tenant }) => {
  for (const next of ['https://evil.example/', '//evil.example/', '/\\evil.example', 'javascript:window.harmed=1']) {
    await page.goto(`/sign-in?next=${encodeURIComponent(next)}`);
    await page.getByRole('textbox', { name: 'E-mail' }).fill(tenant.owner.email);
    await page.getByLabel('Password').fill('correct horse battery staple');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await expect(page.getByRole('navigation')).toBeVisible();
    expect(new URL(page.url()).hostname, next).toBe('localhost');
    await expectUnharmed(page, next);
    await page.context().clearCookies();
  }
});

test('tables that are saved hold no formula', async ({ page, tenant, signIn }) => {
  for (const name of [HOSTILE.formula, '+1+1', '-1+1', '@SUM(A1)']) {
    const delegation = await tenant.mint(name, 100, { cost_center: name });
    await spend(delegation.token, 7, name);
  }
  await signIn();
  for (const path of ['/spend', '/activity']) {
    await visit(page, path);
    const buttons = page.getByRole('button', { name: /CSV/ });
    await expect(buttons.first()).toBeVisible();
    for (const button of await buttons.all()) {
      if (await button.isDisabled()) {
        continue;
      }
      const [download] = await Promise.all([page.waitForEvent('download'), button.click()]);
      const cells = cellsOf(readFileSync(await download.path(), 'utf8').replace(/^\uFEFF/, ''));
      expect(cells.length).toBeGreaterThan(1);
      const formulas = cells.filter((cell) => /^\s*[=+\-@\t\r]/.test(cell) && !/^-?\d+(\.\d+)?$/.test(cell));
      expect(formulas, `${path}, ${await button.getAttribute('aria-label')}`).toEqual([]);
    }
  }
});

/** The cells of a table as RFC 4180 writes it, whatever row they are in. */
function cellsOf(table: string): string[] {
  const cells = table.matchAll(/("(?:[^"]|"")*"|[^,\r\n]*)(?:,|\r\n|$)/g);
  return [...cells].map(([, cell = '']) => (cell.startsWith('"') ? cell.slice(1, -1).replaceAll('""', '"') : cell));
}
