/** Requests to the workbench: signed, with errors that say what to do. */

export class ApiError extends Error {
  readonly status: number;
  readonly body: Record<string, unknown>;

  constructor(status: number, body: Record<string, unknown>) {
    const what = typeof body.error === "string" ? body.error : `the server answered ${status}`;
    const then = typeof body.what_to_do === "string" ? ` ${body.what_to_do}` : "";
    super(what + then);
    this.status = status;
    this.body = body;
  }

  /** The page's token is of a session before this one: somebody signed in anew. */
  get isStale(): boolean {
    return this.status === 403 && this.body.stale_session === true;
  }

  /** Worth another try without changing anything. */
  get isPassing(): boolean {
    return this.status >= 500 || this.status === 408 || this.status === 429;
  }
}

let csrf = "";

export function useCsrf(token: string): void {
  csrf = token;
}

export const csrfToken = (): string => csrf;

export interface Asked {
  readonly method?: "GET" | "POST" | "PUT" | "DELETE";
  readonly json?: unknown;
  readonly body?: Uint8Array<ArrayBuffer>;
  readonly headers?: Record<string, string>;
  readonly signal?: AbortSignal;
}

/** Answer of the server; ApiError for every answer that is no success, TypeError where nobody answers. */
export async function ask(path: string, asked: Asked = {}): Promise<Response> {
  const method = asked.method ?? "GET";
  const headers: Record<string, string> = { Accept: "application/json", ...asked.headers };
  if (method !== "GET") headers["X-Masksmith-CSRF"] = csrf;
  if (asked.json !== undefined) headers["Content-Type"] = "application/json";
  const body = asked.json === undefined ? asked.body : JSON.stringify(asked.json);
  const response = await fetch(path, {
    method, headers, body, signal: asked.signal, credentials: "same-origin",
    // Giving back is what a page does last.
    keepalive: method === "DELETE",
  });
  if (!response.ok) throw new ApiError(response.status, await bodyOf(response));
  return response;
}

export async function askJson<Answer>(path: string, asked: Asked = {}): Promise<Answer> {
  return (await (await ask(path, asked)).json()) as Answer;
}

async function bodyOf(response: Response): Promise<Record<string, unknown>> {
  try {
    const body: unknown = await response.json();
    return typeof body === "object" && body !== null ? (body as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
