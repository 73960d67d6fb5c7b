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

test('sessions are listed, and ended one by one or all at once', async ({ page, tenant, signIn, browser }) => {
  const elsewhere = async () => {
    const other = await browser.newPage({ baseURL: process.env['SUBGRANT_BROWSER_ORIGIN'] ?? '', userAgent: 'Mozilla/5.0 (iPhone) Safari/605' });
    await signInAs(other, tenant.owner.email);
    return other;
  };
  const [first, second] = [await elsewhere(), await elsewhere()];
  await signIn();
  await visit(page, '/settings');
  const sessions = page.getByRole('table', { name: 'Your sessions' });
  // The sign-up has left one as well.
  await expect(sessions.getByRole('row', { name: /Safari on iOS/ })).toHaveCount(2);
  await expect(sessions.getByRole('row', { name: /this one/ })).toHaveCount(1);
  await expect(sessions.getByRole('row', { name: /Chrome on Linux.*this one/ })).toHaveCount(1);
  // The newest come first.
  await page.getByRole('button', { name: 'End the session in Safari on iOS' }).first().click();
  await expect(sessions.getByRole('row', { name: /Safari on iOS/ })).toHaveCount(1);
  await second.goto('/settings');
  await expect(second).toHaveURL(/sign-in/);
  await first.goto('/settings');
  await expect(first, 'the other one goes on').toHaveURL(/settings/);
  await page.getByRole('button', { name: 'End all others' }).click();
  await expect(sessions.getByRole('row')).toHaveCount(2);
  await first.goto('/settings');
  await expect(first).toHaveURL(/sign-in/);
  await page.getByRole('button', { name: 'Sign out here' }).click();
  await expect(page).toHaveURL(/sign-in/);
  await Promise.all([first.close(), second.close()]);
});

test('name, time zone, currency and price are changed, and what is wrong is told beside its field', async ({ page, tenant, signIn }) => {
  await signIn();
  await visit(page, '/settings');
  const field = (name: string) => page.getByRole('textbox', { name });
  const zone = page.getByRole('combobox', { name: 'Time zone' });
  const save = page.getByRole('button', { name: 'Save' });
  await expect(save).toBeDisabled();
  const setWrongly = async () => {
    await zone.fill('Middle-earth/Shire');
    await field('Currency').fill('orc');
    await save.click();
    await expect(zone).toHaveAttribute('aria-invalid', 'true');
    await expect(field('Currency')).toHaveAttribute('aria-invalid', 'true');
    await expect(field('Currency')).toHaveAccessibleDescription(/ISO 4217/);
  };
  await setWrongly();
  await page.getByRole('button', { name: 'Discard' }).click();
  await expect(zone).toHaveValue('UTC');
  await expect(zone).not.toHaveAttribute('aria-invalid', 'true');

  await setWrongly();
  await field('Name').fill('Acme Robotics & Söhne');
  await zone.fill('Tokyo');
  await page.getByRole('option', { name: 'Asia/Tokyo' }).click();
  await field('Price of one credit').fill('0.0125');
  await field('Currency').fill('jpy');
  await save.click();
  await expect(page.getByText('Settings saved')).toBeVisible();
  await visit(page, '/settings');
  await expect(field('Name')).toHaveValue('Acme Robotics & Söhne');
  await expect(zone).toHaveValue('Asia/Tokyo');
  await expect(field('Price of one credit')).toHaveValue('0.0125');
  await expect(field('Currency')).toHaveValue('JPY');

  await signIn(await tenant.add('viewer'));
  await visit(page, '/settings');
  await expect(page.getByRole('main')).toContainText('0.0125 JPY');
  await expect(save, 'others read it').toHaveCount(0);
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
