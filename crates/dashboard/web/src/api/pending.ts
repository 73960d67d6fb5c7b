/**
 * Shapes of operations that the committed OpenAPI document does not describe yet. Each goes away when the document has
 * it: `schema.d.ts`, which is generated, then says the same.
 */

export interface TenantSettings {
  id: string;
  organization: string;
  root_delegation_id: string;
  created_at: string;
  time_zone: string;
  currency: string;
  credit_price: string;
}

export interface BudgetLine {
  cost_center: string | null;
  department: string | null;
  delegation_id: string | null;
  parent_id: string | null;
  label: string | null;
  depth: number | null;
  status: string | null;
  unallocated: boolean;
  delegations: number;
  budget_credits: number | null;
  spent_credits: number;
  held_credits: number;
  reserved_credits: number;
  remaining_credits: number | null;
  capped_credits: number;
  overcommit_credits: number;
  utilisation: number | null;
  spent_in_range_credits: number;
}

export interface BudgetReport {
  from: string;
  to: string;
  time_zone: string;
  group_by: string;
  delegation_id: string;
  data: BudgetLine[];
  total: BudgetLine;
  data_through: string | null;
}

export interface Forecast {
  delegation_id: string;
  as_of: string;
  time_zone: string;
  remaining_credits: number | null;
  expires_at: string | null;
  basis: {
    from: string;
    to: string;
    days: number;
    spent_credits: number;
    daily_credits: { low: number; expected: number; high: number };
  } | null;
  run_out: { early: string; expected: string; late: string | null } | null;
  expires_first: boolean | null;
  reason: null | 'unlimited' | 'not_live' | 'exhausted' | 'too_little_history' | 'no_spend';
  days: { date: string; spent_credits: number }[];
}

export interface Page<T> {
  data: T[];
  next_cursor?: string | null;
}
