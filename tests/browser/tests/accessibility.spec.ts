import type { Page } from '@playwright/test';

import { expect, expectAccessible, settled, test, visit } from '../src/fixtures.ts';
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

    test('no page has a violation on a telephone', async ({ page, tenant, signIn }) => {
      await page.setViewportSize({ width: 390, height: 844 });
      const tree = await tenant.plantDemoTree();
      await signIn();
      for (const path of INSIDE) {
        await visit(page, path.replace('{id}', tree['ML Team']?.id ?? ''));
        await expectAccessible(page, path);
        const { scrolled, wide } = await page.evaluate(() => ({ scrolled: document.documentElement.scrollWidth, wide: innerWidth }));
        expect(scrolled, `${path} is not wider than the screen`).toBeLessThanOrEqual(wide);
      }
    });
  });
}

/** The longest time that anything on the page takes to move, in seconds, by the rules that hold for it. */
async function longestMotion(page: Page): Promise<number> {
  return await page.evaluate(() => {
    const seconds = (text: string) => Math.max(...text.split(',').map((time) => Number.parseFloat(time) * (time.trim().endsWith('ms') ? 0.001 : 1)));
    const styles = [...document.querySelectorAll('*')].map((element) => getComputedStyle(element));
    return Math.max(...styles.flatMap((style) => [seconds(style.transitionDuration), seconds(style.animationDuration)]));
  });
}

test('nothing moves for whoever wants less motion', async ({ page, tenant, signIn }) => {
  await tenant.plantDemoTree();
  await signIn();
  for (const path of ['/delegations', '/spend', '/settings']) {
    await page.emulateMedia({ reducedMotion: 'no-preference' });
    await visit(page, path);
    expect(await longestMotion(page), `${path} moves for everybody else`).toBeGreaterThan(0.1);
    await page.emulateMedia({ reducedMotion: 'reduce' });
    expect(await longestMotion(page), path).toBeLessThan(0.001);
  }
});
