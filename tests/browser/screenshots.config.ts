import { defineConfig } from '@playwright/test';

import tests from './playwright.config.ts';

/** Makes the pictures in the README, from the same server and browser as the tests. */
export default defineConfig(tests, {
  testDir: 'screenshots',
  workers: 1,
  use: { viewport: { width: 1360, height: 850 }, reducedMotion: 'reduce' } as object,
});
