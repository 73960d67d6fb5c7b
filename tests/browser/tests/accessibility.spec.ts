import { expectAccessible, settled, test, visit } from '../src/fixtures.ts';
import { INSIDE, OUTSIDE, SCHEMES } from '../src/pages.ts';

for (const colorScheme of SCHEMES) {
  test.describe(`in the ${colorScheme} theme`, () => {
    test.use({ colorScheme });

    for (const path of OUTSIDE) {
      test(`${path} has no violation`, async ({ page }) => {
        await page.goto(path);
        await settled(page);
        await expectAccessible(page, path);
      });
    }

    test('no page of an empty organisation has a violation', async ({ page, tenant, signIn }) => {
      await signIn();
      for (const path of INSIDE) {
        await visit(page, path.replace('{id}', tenant.rootId));
        await expectAccessible(page, path);
      }
    });

    test('no page of a busy organisation has a violation', async ({ page, tenant, signIn }) => {
      const tree = await tenant.plantDemoTree();
      await tenant.add('admin');
      await tenant.add('viewer');
      await signIn();
      for (const path of INSIDE) {
        await visit(page, path.replace('{id}', tree['ML Team']?.id ?? ''));
        await expectAccessible(page, path);
      }
    });

  });
}

test('no page has a violation on a telephone', async ({ page, tenant, signIn }) => {
  await page.setViewportSize({ width: 390, height: 844 });
  const tree = await tenant.plantDemoTree();
  await signIn();
  for (const path of INSIDE) {
    await visit(page, path.replace('{id}', tree['ML Team']?.id ?? ''));
    await expectAccessible(page, path);
  }
});
