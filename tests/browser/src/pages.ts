/** Every page, by its address. */

/** For signed-in people; `{id}` stands for a delegation. */
export const INSIDE = ['/delegations', '/delegations/new', '/delegations/{id}', '/spend', '/activity', '/team', '/settings'];

/** For people who are not. */
export const OUTSIDE = ['/sign-in', '/sign-up', '/invite#token=inv_x', '/reset', '/reset#token=rst_x'];

export const SCHEMES = ['light', 'dark'] as const;
