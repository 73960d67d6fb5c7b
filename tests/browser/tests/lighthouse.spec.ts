import { chromium, expect } from '@playwright/test';
import { snapshot } from 'lighthouse';
import puppeteer from 'puppeteer-core';

import { origin, required } from '../src/environment.ts';
import { settled, signIn, test } from '../src/fixtures.ts';
import { INSIDE } from '../src/pages.ts';

/** Where the browser of this test can be told what to do by a second program. */
const PORT = 9_333;

test('Lighthouse gives every page 100 for accessibility', async ({ tenant }) => {
  test.setTimeout(180_000);
  const tree = await tenant.plantDemoTree();
  const browser = await chromium.launchPersistentContext('', {
    executablePath: required('SUBGRANT_BROWSER_CHROMIUM'),
    baseURL: origin(),
    args: [`--remote-debugging-port=${PORT}`, '--disable-gpu', '--disable-background-networking', '--no-first-run'],
  });
  try {
    const page = browser.pages()[0] ?? (await browser.newPage());
    await signIn(page, tenant.owner.email);
    const second = await puppeteer.connect({ browserURL: `http://127.0.0.1:${PORT}`, defaultViewport: null });
    const [same] = await second.pages();
    if (same === undefined) {
      throw new Error('the browser has no page');
    }
    const scores: Record<string, number | null> = {};
    for (const path of INSIDE) {
      await page.goto(path.replace('{id}', tree['ML Team']?.id ?? ''));
      await settled(page);
      const result = await snapshot(same, {
        flags: { onlyCategories: ['accessibility'], disableStorageReset: true, formFactor: 'desktop', screenEmulation: { disabled: true } },
      });
      scores[path] = (result?.lhr.categories['accessibility']?.score ?? 0) * 100;
    }
    await second.disconnect();
    console.log('Lighthouse, accessibility:', scores);
    expect(scores).toEqual(Object.fromEntries(INSIDE.map((path) => [path, 100])));
  } finally {
    await browser.close();
  }
});
