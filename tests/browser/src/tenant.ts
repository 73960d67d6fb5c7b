/** Tenants as tests need them, made over HTTP as everybody makes them. */

import { randomUUID } from 'node:crypto';

import { origin } from './environment.ts';

export type Role = 'owner' | 'admin' | 'finance' | 'viewer';

export const PASSWORD = 'correct horse battery staple';

/** The fields of a delegation that tests look at. */
export interface Delegation {
  id: string;
  token: string;
  label: string;
  version: number;
  spent_credits: number;
}

/** Somebody who can sign in. */
export interface Member {
  email: string;
  role: Role;
}

/** A request of a script: a token, no browser. */
export async function call<T>(method: string, path: string, token: string | undefined, body?: unknown): Promise<T> {
  const response = await attempt(method, path, token, body);
  if (!response.ok) {
    throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
  }
  return (response.status === 204 ? undefined : await response.json()) as T;
}

/** The same, where a refusal is what is looked for. */
export async function attempt(method: string, path: string, token?: string, body?: unknown): Promise<Response> {
  const headers: Record<string, string> = {};
  if (token !== undefined) {
    headers['Authorization'] = `Bearer ${token}`;
  }
  if (body !== undefined) {
    headers['Content-Type'] = 'application/json';
  }
  const content = body === undefined ? {} : { body: JSON.stringify(body) };
  return await fetch(`${origin()}/api/cloud${path}`, { method, headers, ...content });
}

export class Tenant {
  readonly owner: Member;
  readonly rootId: string;
  readonly rootToken: string;
  readonly #cookie: string;

  private constructor(owner: Member, rootId: string, rootToken: string, cookie: string) {
    this.owner = owner;
    this.rootId = rootId;
    this.rootToken = rootToken;
    this.#cookie = cookie;
  }

  static async signUp(organization = 'Acme Robotics', email = `owner-${randomUUID()}@acme.example`): Promise<Tenant> {
    const response = await attempt('POST', '/signup', undefined, { organization, email, password: PASSWORD });
    if (response.status !== 201) {
      throw new Error(`POST /signup: ${response.status} ${await response.text()}`);
    }
    const cookie = response.headers.get('set-cookie')?.split(';')[0] ?? '';
    const body = (await response.json()) as { tenant: { root_delegation_id: string }; root_token: string };
    return new Tenant({ email, role: 'owner' }, body.tenant.root_delegation_id, body.root_token, cookie);
  }

  /** A child of the root, or of another delegation. */
  async mint(label: string, budgetCredits: number, fields: Record<string, unknown> = {}): Promise<Delegation> {
    const body = { label, budget_credits: budgetCredits, ...fields };
    return await call<Delegation>('POST', '/delegation', this.rootToken, body);
  }

  /** The tree that every document uses, with some spending in it. */
  async plantDemoTree(): Promise<Record<string, Delegation>> {
    const engineering = await this.mint('Engineering', 10_000, { cost_center: 'Engineering' });
    const below = (parent: Delegation, more: object = {}) => ({ parent_id: parent.id, ...more });
    const mlTeam = await this.mint('ML Team', 5_000, below(engineering, { department: 'ML Team' }));
    const reviewer = await this.mint('code-reviewer', 1_000, below(mlTeam, { expiry: '720h' }));
    const runner = await this.mint('test-runner', 2_000, below(mlTeam));
    const platform = await this.mint('Platform Team', 3_000, below(engineering, { department: 'Platform Team' }));
    const deployBot = await this.mint('deploy-bot', 500, below(platform));
    const finance = await this.mint('Finance', 5_000, { cost_center: 'Finance' });
    const analyzer = await this.mint('expense-analyzer', 1_000, below(finance));
    const spends: [Delegation, number, string][] = [
      [reviewer, 312, 'review of #42'],
      [runner, 1_450, 'nightly suite'],
      [deployBot, 480, 'rollout'],
      [analyzer, 120, 'travel receipts'],
    ];
    for (const [delegation, amount, description] of spends) {
      await spend(delegation.token, amount, description);
    }
    return {
      'Engineering': engineering,
      'ML Team': mlTeam,
      'code-reviewer': reviewer,
      'test-runner': runner,
      'Platform Team': platform,
      'deploy-bot': deployBot,
      'Finance': finance,
      'expense-analyzer': analyzer,
    };
  }

  /** A further member, made by the owner. */
  async add(role: Role): Promise<Member> {
    const email = `${role}-${randomUUID()}@acme.example`;
    const response = await fetch(`${origin()}/api/cloud/user`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', 'Cookie': this.#cookie, 'Origin': origin() },
      body: JSON.stringify({ email, role, password: PASSWORD }),
    });
    if (response.status !== 201) {
      throw new Error(`POST /user: ${response.status} ${await response.text()}`);
    }
    return { email, role };
  }
}

export async function spend(token: string, amountCredits: number, description?: string): Promise<{ id: string }> {
  return await call('POST', '/spend', token, { amount_credits: amountCredits, description });
}
