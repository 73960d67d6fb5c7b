/** Who may do what, as the pages offer it. That the server refuses the rest is tested at the server. */

import { expect, test, visit } from '../src/fixtures.ts';
import type { Role } from '../src/tenant.ts';

interface Offers {
  newDelegation: boolean;
  invite: boolean;
  rootToken: boolean;
  addAlert: boolean;
}

const OFFERS: Record<Role, Offers> = {
  owner: { newDelegation: true, invite: true, rootToken: true, addAlert: true },
  admin: { newDelegation: true, invite: true, rootToken: true, addAlert: true },
  finance: { newDelegation: false, invite: false, rootToken: false, addAlert: true },
  viewer: { newDelegation: false, invite: false, rootToken: false, addAlert: false },
};

for (const [role, offers] of Object.entries(OFFERS) as [Role, Offers][]) {
  test(`${role} is offered what the role allows, and nothing else`, async ({ page, tenant, signIn }) => {
    const { Engineering: engineering } = await tenant.plantDemoTree();
    await signIn(role === 'owner' ? tenant.owner : await tenant.add(role));
    const expectOffered = async (what: ReturnType<typeof page.getByRole>, isOffered: boolean) => {
      await expect(what).toHaveCount(isOffered ? 1 : 0);
    };

    await visit(page, '/delegations');
    await expect(page.getByRole('row', { name: /Engineering/ }).first()).toBeVisible();
    await expectOffered(page.getByRole('link', { name: 'New delegation' }), offers.newDelegation);

    await visit(page, `/delegations/${engineering?.id}`);
    await expect(page.getByRole('heading', { level: 1 })).toContainText('Engineering');
    for (const action of [/^Revoke/, /^Freeze/]) {
      await expectOffered(page.getByRole('button', { name: action }), offers.newDelegation);
    }

    await visit(page, '/team');
    await expect(page.getByRole('rowheader').first()).toBeVisible();
    await expectOffered(page.getByRole('button', { name: 'Invite' }), offers.invite);

    await visit(page, '/settings');
    await expectOffered(page.getByRole('heading', { name: 'Root token' }), offers.rootToken);
    await expectOffered(page.getByRole('button', { name: 'Change password' }), true);

    await visit(page, '/activity');
    await expect(page.getByRole('table', { name: /Activity/ })).toContainText('Created a delegation');
  });
}

test('who goes to a page for managers by its address is told so', async ({ page, tenant, signIn }) => {
  await signIn(await tenant.add('viewer'));
  await visit(page, '/delegations/new');
  await expect(page.getByRole('button', { name: 'Delegate' })).toHaveCount(0);
});
