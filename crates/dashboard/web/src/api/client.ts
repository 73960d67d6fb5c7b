import createClient, { type Middleware } from 'openapi-fetch';
import { ProblemError } from './problem';
import type { paths, Problem } from './schema';

/** Called when the server says that the session is over. */
let onSignedOut: () => void = () => {};

export function whenSignedOut(listener: () => void): void {
  onSignedOut = listener;
}

const unsafe = new Set(['POST', 'PATCH', 'PUT', 'DELETE']);

/** Every write carries a key, so that one that was sent twice by the network happens once. */
const idempotent: Middleware = {
  onRequest({ request }) {
    if (unsafe.has(request.method) && !request.headers.has('Idempotency-Key')) {
      request.headers.set('Idempotency-Key', newKey());
    }
    return request;
  },
};

export const api = createClient<paths>({ baseUrl: '', credentials: 'same-origin' });
api.use(idempotent);

/** A key for one intended write. Forms keep theirs while they try again, so that a retry cannot do it twice. */
export function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

interface Answer<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/** The answer's body, or a thrown [`ProblemError`]. */
export async function ok<T>(call: Promise<Answer<T>>): Promise<T> {
  let answer: Answer<T>;
  try {
    answer = await call;
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === 'AbortError') throw cause;
    throw ProblemError.unreachable();
  }
  if (answer.response.ok) return answer.data as T;
  throw refusal(answer.response.status, answer.error);
}

function refusal(status: number, body: unknown): ProblemError {
  const problem = isProblem(body) ? new ProblemError(body) : ProblemError.ofStatus(status);
  // A wrong password, invitation or reset link is 401 as well (invalid_…), and ends no session.
  if (status === 401 && !problem.code.startsWith('invalid_')) onSignedOut();
  return problem;
}

function isProblem(body: unknown): body is Problem {
  return typeof body === 'object' && body !== null && 'code' in body && 'detail' in body && 'status' in body;
}
