import { AxeBuilder } from '@axe-core/playwright';
import { expect, test as base, type Page } from '@playwright/test';

import { origin } from './environment.ts';
import { PASSWORD, Tenant, type Member } from './tenant.ts';

interface Fixtures {
  /** An organisation of this test's own, with nothing but its root. */
  tenant: Tenant;
  /** Signs somebody in, the tenant's owner if nobody is named. */
  signIn: (member?: Member) => Promise<void>;
}

export { expect };

export const test = base.extend<Fixtures>({
  baseURL: async ({}, use) => use(origin()),
  tenant: async ({}, use) => use(await Tenant.signUp()),
  page: async ({ page }, use) => {
    const faults = watch(page);
    await use(page);
    expect(faults, 'nothing fails in the page, and nothing is refused by its security policy').toEqual([]);
  },
  signIn: async ({ page, tenant }, use) => use((member = tenant.owner) => signIn(page, member.email)),
});

/** Notes what no visitor would see: exceptions, and what the content security policy has stopped. */
function watch(page: Page): string[] {
  const faults: string[] = [];
  page.on('pageerror', (error) => faults.push(error.message));
  page.on('console', (message) => {
    if (/Content Security Policy|Refused to/i.test(message.text())) {
      faults.push(message.text());
    }
  });
  return faults;
}

/** As the form does it, without the form, which has a test of its own. */
export async function signIn(page: Page, email: string, password = PASSWORD): Promise<void> {
  await page.goto('/sign-in');
  const status = await page.evaluate(async (body) => {
    const headers = { 'Content-Type': 'application/json' };
    const response = await fetch('/api/cloud/session', { method: 'POST', headers, body: JSON.stringify(body) });
    return response.status;
  }, { email, password });
  expect(status).toBe(201);
}

/** Goes to a page and waits until it shows what it has to show. */
export async function visit(page: Page, path: string): Promise<void> {
  await page.goto(path);
  await settled(page);
}

/** Waits until nothing is being loaded. */
export async function settled(page: Page): Promise<void> {
  await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
  await expect(page.getByText(/^Loading .*…$/)).toHaveCount(0);
}

/** WCAG 2.2, levels A and AA, as far as a program can tell. */
export async function expectAccessible(page: Page, what: string): Promise<void> {
  const { violations } = await new AxeBuilder({ page })
    .withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22a', 'wcag22aa'])
    .analyze();
  const found = violations.map(({ id, help, nodes }) => ({ id, help, at: nodes.map((node) => node.html.slice(0, 200)) }));
  expect(found, what).toEqual([]);
}
