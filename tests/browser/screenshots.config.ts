import { join } from 'node:path';

import { defineConfig } from '@playwright/test';

import tests from './playwright.config.ts';
import { required } from './src/environment.ts';

/** Makes the pictures in the README, from the same server and browser as the tests. */
export default defineConfig(tests, {
  testDir: 'screenshots',
  outputDir: join(required('SUBGRANT_BROWSER_RESULTS'), 'screenshots'),
  workers: 1,
  use: { viewport: { width: 1360, height: 850 }, reducedMotion: 'reduce' } as object,
});
