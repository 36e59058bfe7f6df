// RFC 9457: how the gateway says no, over HTTP and in a nack alike.

export interface Problem {
  title?: string;
  status?: number;
  code?: string;
  detail?: string;
  now?: { gen: number; state?: string; owner?: string };
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;

// Whatever came, something that can be shown: a peer's odd answer must not break the page.
export function readProblem(value: unknown, status?: number): Problem {
  const problem: Problem = {};
  if (status !== undefined) problem.status = status;
  if (typeof value === 'string' && value !== '') problem.detail = value;
  if (!isObject(value)) return problem;
  if (typeof value.title === 'string') problem.title = value.title;
  if (typeof value.status === 'number') problem.status = value.status;
  if (typeof value.code === 'string') problem.code = value.code;
  if (typeof value.detail === 'string') problem.detail = value.detail;
  if (isObject(value.now) && typeof value.now.gen === 'number') {
    problem.now = { gen: value.now.gen };
    if (typeof value.now.state === 'string') problem.now.state = value.now.state;
    if (typeof value.now.owner === 'string') problem.now.owner = value.now.owner;
  }
  return problem;
}

export const saying = (problem: Problem, otherwise: string): string =>
  problem.detail || problem.title || problem.code || otherwise;
