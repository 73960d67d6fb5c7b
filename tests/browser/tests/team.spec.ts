import { expect, settled, test, visit } from '../src/fixtures.ts';
import { PASSWORD } from '../src/tenant.ts';

test('an invited person follows the link, chooses a password, and is a member', async ({ page, browser, signIn }) => {
  await signIn();
  await visit(page, '/team');
  await page.getByRole('button', { name: 'Invite' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('E-mail').fill('ann@team.example');
  await dialog.getByText('Finance', { exact: true }).click();
  await dialog.getByRole('button', { name: 'Invite' }).click();
  const link = await page.getByLabel('Invitation link').inputValue();
  expect(link).toContain('/invite#token=inv_');
  await page.getByRole('button', { name: 'Done' }).click();

  const other = await browser.newContext();
  const invited = await other.newPage();
  await invited.goto(link);
  await invited.getByLabel(/Password/).first().fill(PASSWORD);
  await invited.keyboard.press('Enter');
  await settled(invited);
  await expect(invited.getByRole('heading', { name: 'Delegation & Budgets' })).toBeVisible();
  await expect(invited, 'the secret does not stay in the address').not.toHaveURL(/token/);
  await other.close();

  // Without a reload: the new member appears.
  await expect(page.getByRole('rowheader', { name: 'ann@team.example' })).toBeVisible();
});

test('a role is changed at once, and the member is signed out', async ({ page, tenant, signIn }) => {
  const member = await tenant.add('viewer');
  await signIn();
  await visit(page, '/team');
  await page.getByRole('button', { name: `Role of ${member.email}` }).click();
  await page.getByRole('option', { name: /^Admin/ }).click();
  await expect(page.getByRole('button', { name: `Role of ${member.email}` })).toContainText('Admin');
  await visit(page, '/activity');
  await expect(page.getByRole('row', { name: /Changed a member’s role/ })).toContainText(tenant.owner.email);
});

test('a member is removed, and the last owner cannot leave', async ({ page, tenant, signIn }) => {
  const member = await tenant.add('viewer');
  await signIn();
  await visit(page, '/team');
  await expect(page.getByRole('row', { name: tenant.owner.email })).toContainText('The last owner stays');
  await expect(page.getByRole('button', { name: /Leave/ })).toHaveCount(0);
  await page.getByRole('button', { name: `Remove ${member.email}` }).click();
  await page.getByRole('alertdialog').getByRole('button', { name: 'Remove' }).click();
  await expect(page.getByRole('rowheader', { name: member.email })).toHaveCount(0);
  await page.reload();
  await settled(page);
  await expect(page.getByRole('rowheader')).toHaveCount(1);
});

test('a member leaves and is signed out', async ({ page, tenant, signIn }) => {
  await signIn(await tenant.add('finance'));
  await visit(page, '/team');
  await page.getByRole('button', { name: 'Leave the organisation' }).click();
  await page.getByRole('alertdialog').getByRole('button', { name: 'Leave' }).click();
  await expect(page).toHaveURL(/sign-in/);
});
