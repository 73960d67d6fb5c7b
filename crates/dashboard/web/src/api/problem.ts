import type { Problem } from './schema';

/** What the server refused, as an RFC 9457 problem document; or that it could not be reached (`status` 0). */
export class ProblemError extends Error {
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.detail);
    this.name = 'ProblemError';
    this.problem = problem;
  }

  get status(): number {
    return this.problem.status;
  }

  get code(): string {
    return this.problem.code;
  }

  /** What is wrong with one field, by the JSON pointer that the server uses. */
  field(pointer: string): string | undefined {
    return this.problem.errors?.find((error) => error.pointer === pointer)?.detail;
  }

  static unreachable(): ProblemError {
    return ProblemError.local(0, 'unreachable', 'Cannot reach the server', 'Check your connection; nothing was lost.');
  }

  /** For answers that are no problem documents, such as those of a proxy in between. */
  static ofStatus(status: number): ProblemError {
    return ProblemError.local(status, 'unexpected', `The server answered with status ${status}`, 'Try again in a moment.');
  }

  private static local(status: number, code: string, title: string, detail: string): ProblemError {
    return new ProblemError({ type: 'about:blank', title, status, code, detail, request_id: '' });
  }
}

/** Anything that was thrown, as a problem; what is not one came from `fetch`, which could not reach the server. */
export function asProblem(error: unknown): ProblemError {
  return error instanceof ProblemError ? error : ProblemError.unreachable();
}
