import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';

/** The server that `npm run dev` passes API calls on to; `cargo xtask run` listens there. */
const server = process.env['SUBGRANT_URL'] ?? 'http://localhost:8402';

export default defineConfig({
  plugins: [react()],
  server: {
    host: 'localhost',
    // The Host header is left as the browser sent it, so that the server's same-origin check holds in development too.
    proxy: { '/api': { target: server, changeOrigin: false }, '/docs': { target: server, changeOrigin: false } },
  },
  build: {
    target: 'es2022',
    // Nothing is inlined as a data: URL, which the content security policy would not load.
    assetsInlineLimit: 0,
    // The polyfill is an inline script, and every browser that knows light-dark() preloads modules by itself.
    modulePreload: { polyfill: false },
  },
  test: { include: ['src/**/*.test.ts'] },
});
