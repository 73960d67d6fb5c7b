import { join } from 'node:path';

import { defineConfig } from '@playwright/test';

import { required } from './src/environment.ts';

/** Where traces and screenshots of failures are kept. */
const results = required('SUBGRANT_BROWSER_RESULTS');

export default defineConfig({
  testDir: 'tests',
  outputDir: join(results, 'failures'),
  globalSetup: './src/server.ts',
  // Every test has a tenant of its own, so that they can run side by side.
  fullyParallel: true,
  workers: 2,
  forbidOnly: true,
  // A test that fails once in a while is a defect of the page or of the test.
  retries: 0,
  timeout: 120_000,
  expect: { timeout: 10_000 },
  reporter: [['list']],
  use: {
    browserName: 'chromium',
    viewport: { width: 1280, height: 800 },
    locale: 'en-GB',
    timezoneId: 'Europe/Berlin',
    trace: 'retain-on-failure',
    screenshot: 'only-on-failure',
    launchOptions: {
      executablePath: required('SUBGRANT_BROWSER_CHROMIUM'),
      args: ['--disable-gpu', '--disable-background-networking', '--disable-component-update', '--no-first-run'],
    },
  },
});
