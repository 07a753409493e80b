/** Requests to the console's API: JSON in, JSON out, and every failure an `ApiFailure` with a sentence to show. */
import { connection } from '../state/connection.svelte';
import { told } from './errors';
import { t } from './words';

const ROOT = '/console/api';

/** What a request failed with. `status` 0: the server could not be reached. */
export class ApiFailure extends Error {
  constructor(
    message: string,
    readonly status: number,
    readonly code: string | null = null,
    readonly param: string | null = null,
  ) {
    super(message);
    this.name = 'ApiFailure';
  }

  get offline(): boolean {
    return this.status === 0;
  }
}

export type Query = Record<string, string | number | boolean | null | undefined>;

export interface RequestOptions {
  query?: Query;
  /** Sent as JSON, unless it is a Blob. */
  body?: unknown;
  signal?: AbortSignal;
  headers?: Record<string, string>;
  /** False: 401 is this request's own matter (a login), nobody is signed out by it. */
  signsOut?: boolean;
}

let signedOut: () => void = () => {};

/** What happens when a session has ended. */
export function onSignedOut(action: () => void): void {
  signedOut = action;
}

export function url(path: string, query: Query = {}): string {
  const given = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== '');
  const search = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
  return ROOT + path + (search ? `?${search}` : '');
}

/** The response itself, for streams and downloads; throws `ApiFailure` like the rest. */
export async function request(method: string, path: string, options: RequestOptions = {}): Promise<Response> {
  const { query, body, signal, headers, signsOut = true } = options;
  const init: RequestInit = {
    method,
    signal,
    credentials: 'same-origin',
    headers: { Accept: 'application/json', 'X-Sevenb-Console': '1', ...headers },
  };
  if (body instanceof Blob) init.body = body;
  else if (body !== undefined) {
    init.body = JSON.stringify(body);
    init.headers = { 'Content-Type': 'application/json', ...init.headers };
  }
  let response: Response;
  try {
    response = await fetch(url(path, query), init);
  } catch (error) {
    if (signal?.aborted) throw error;
    connection.lost();
    throw new ApiFailure(t('unreachable'), 0, 'unreachable');
  }
  connection.reached();
  if (response.ok) return response;
  if (response.status === 401 && signsOut) signedOut();
  throw await failure(response);
}

async function failure(response: Response): Promise<ApiFailure> {
  let error: { message?: unknown; code?: unknown; param?: unknown } = {};
  try {
    error = ((await response.json()) as { error?: typeof error }).error ?? {};
  } catch {
    // A proxy's page, or nothing at all.
  }
  const text = (value: unknown) => (typeof value === 'string' ? value : null);
  const message = text(error.message) ?? t('failed', { status: response.status });
  return new ApiFailure(message, response.status, text(error.code), text(error.param));
}

async function json<T>(method: string, path: string, options?: RequestOptions): Promise<T> {
  const response = await request(method, path, options);
  const content = await response.text();
  return (content ? JSON.parse(content) : undefined) as T;
}

export const api = {
  get: <T>(path: string, options?: RequestOptions) => json<T>('GET', path, options),
  post: <T>(path: string, body?: unknown, options?: RequestOptions) => json<T>('POST', path, { ...options, body }),
  patch: <T>(path: string, body?: unknown, options?: RequestOptions) => json<T>('PATCH', path, { ...options, body }),
  delete: <T = void>(path: string, options?: RequestOptions) => json<T>('DELETE', path, options),
};

/** A sentence for any error that was caught. */
export function sentence(error: unknown): string {
  if (error instanceof ApiFailure) return told(error);
  return error instanceof Error ? error.message : String(error);
}
