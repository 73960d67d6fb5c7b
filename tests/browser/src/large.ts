/** A tenant of any size, written by `cargo xtask load`'s program straight into the database. */

import { execFileSync } from 'node:child_process';

import { required } from './environment.ts';

export interface Size {
  nodes: number;
  siblings: number;
  entries: number;
}

export interface Large {
  email: string;
  password: string;
  /** A delegation with some hundred others below it. */
  team: string;
}

export function loadLargeTenant(email: string, size: Size): Large {
  const sizes = Object.entries(size).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const environment = {
    PATH: process.env['PATH'],
    SUBGRANT_DATABASE_URL: required('SUBGRANT_BROWSER_DATABASE_URL'),
    SUBGRANT_MASTER_KEY: required('SUBGRANT_BROWSER_MASTER_KEY'),
  };
  const printed = execFileSync(required('SUBGRANT_BROWSER_LOADER'), [...sizes, '--email', email], {
    env: environment,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const { password, team } = JSON.parse(printed) as Omit<Large, 'email'>;
  return { email, password, team };
}
