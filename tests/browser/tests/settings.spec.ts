import { expect, signIn as signInAs, test, visit } from '../src/fixtures.ts';
import { attempt, PASSWORD } from '../src/tenant.ts';

test('a new root token works, and the old one does not', async ({ page, tenant, signIn }) => {
  await signIn();
  await visit(page, '/settings');
  await page.getByRole('button', { name: 'Replace…' }).click();
  await page.getByRole('dialog').getByText('End it now').click();
  await page.getByRole('button', { name: 'Make a new token' }).click();
  const token = await page.getByRole('textbox', { name: 'Root token' }).inputValue();
  expect((await attempt('GET', '/delegation/self', token)).status).toBe(200);
  expect((await attempt('GET', '/delegation/self', tenant.rootToken)).status).toBe(401);
  await expect(page.getByRole('button', { name: 'Done' })).toBeDisabled();
  await page.getByText('I have kept the token').click();
  await page.getByRole('button', { name: 'Done' }).click();
  expect(await page.content(), 'it is shown once').not.toContain(token);
});

test('a password is changed, the wrong current one is told, and all other sessions end', async ({ page, tenant, signIn, browser }) => {
  const elsewhere = await browser.newPage({ baseURL: process.env['SUBGRANT_BROWSER_ORIGIN'] ?? '' });
  await signInAs(elsewhere, tenant.owner.email);
  await signIn();
  await visit(page, '/settings');
  await page.getByLabel('Current password').fill('not the password');
  await page.getByLabel('New password').fill(`${PASSWORD} 2`);
  await page.getByRole('button', { name: 'Change password' }).click();
  await expect(page.getByRole('alert').or(page.locator('[slot=errorMessage]')).first()).toBeVisible();
  await page.getByLabel('Current password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Change password' }).click();
  await expect(page.getByText('Password changed')).toBeVisible();
  await elsewhere.goto('/settings');
  await expect(elsewhere).toHaveURL(/sign-in/);
  await signInAs(elsewhere, tenant.owner.email, `${PASSWORD} 2`);
  await elsewhere.close();
});

test('signing out ends the session', async ({ page, signIn }) => {
  await signIn();
  await visit(page, '/team');
  await page.getByRole('button', { name: /^Account/ }).click();
  await page.getByRole('menuitem', { name: 'Sign out' }).click();
  await expect(page).toHaveURL(/sign-in/);
  await page.goBack();
  await expect(page).toHaveURL(/sign-in/);
});
