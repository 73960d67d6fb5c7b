/** Starts the real program on a real database before the first test, and stops it after the last. */

import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createInterface } from 'node:readline';

import { required } from './environment.ts';

export default async function start(): Promise<() => Promise<void>> {
  const program = required('SUBGRANT_BROWSER_SERVER');
  const database = required('SUBGRANT_BROWSER_DATABASE_URL');
  const masterKey = randomBytes(32).toString('hex');
  const environment = {
    PATH: process.env['PATH'],
    SUBGRANT_DATABASE_URL: database,
    SUBGRANT_MASTER_KEY: masterKey,
    SUBGRANT_LOG: 'warn',
    // Webhooks lead to receivers of the tests.
    SUBGRANT_WEBHOOK_ALLOW_PRIVATE: 'true',
  };
  const migrated = spawnSync(program, ['migrate'], { env: environment, encoding: 'utf8' });
  if (migrated.status !== 0) {
    throw new Error(`the migrations do not apply: ${migrated.stderr}`);
  }
  const server = spawn(program, ['serve', '--listen', '127.0.0.1:0'], {
    env: environment,
    stdio: ['ignore', 'inherit', 'pipe'],
  });
  const ended = new Promise<void>((resolve) => server.once('exit', () => resolve()));
  const lines = createInterface({ input: server.stderr });
  const port = await new Promise<string>((resolve, reject) => {
    lines.on('line', (line) => {
      const address = /^Listening on http:\/\/127\.0\.0\.1:(\d+)/.exec(line);
      if (address?.[1] !== undefined) {
        resolve(address[1]);
      } else {
        process.stderr.write(`server: ${line}\n`);
      }
    });
    server.once('exit', () => reject(new Error('the server ended before it listened')));
  });
  // The processes that run the tests inherit these.
  process.env['SUBGRANT_BROWSER_ORIGIN'] = `http://localhost:${port}`;
  process.env['SUBGRANT_BROWSER_MASTER_KEY'] = masterKey;
  return async () => {
    server.kill('SIGTERM');
    await ended;
  };
}
