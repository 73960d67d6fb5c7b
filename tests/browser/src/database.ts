/** What no request can do: to let time pass. */

import { randomUUID } from 'node:crypto';

import pg from 'pg';

import { required } from './environment.ts';
import type { Tenant } from './tenant.ts';

/** Lets a tenant have been there since an instant that is over. */
export async function beThereSince(tenant: Tenant, instant: string): Promise<void> {
  const label = randomUUID();
  await tenant.mint(label, 1);
  const client = new pg.Client({ connectionString: required('SUBGRANT_BROWSER_DATABASE_URL') });
  await client.connect();
  try {
    const statement =
      'UPDATE tenants SET created_at = $1 WHERE tenant_id = (SELECT tenant_id FROM delegations WHERE label = $2)';
    const { rowCount } = await client.query(statement, [instant, label]);
    if (rowCount !== 1) {
      throw new Error(`${rowCount} tenants have a delegation ${label}`);
    }
  } finally {
    await client.end();
  }
}
