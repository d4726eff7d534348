// The one way to the API of Core: JSON in, JSON out, every failure an ApiError with a stable code.
import { session } from "../session/session";
import type { Answer, Module, Name, Params } from "./operations";

/** Time that an answer may take, ms. */
export const REQUEST_DEADLINE_MS = 30_000;

/** A failure, as Core words it, or one of `network` and `deadline` where there was no answer. */
export class ApiError extends Error {
  override name = "ApiError";
  constructor(
    readonly code: string,
    message: string,
    readonly status: number,
    readonly params: Record<string, unknown> = {},
    readonly trace: string[] = [],
    readonly requestId: string | null = null,
  ) {
    super(message);
  }
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Reads the error body of Core; anything else becomes `internal` with the status. */
export function toApiError(status: number, body: unknown): ApiError {
  if (!isRecord(body) || typeof body.error !== "string") {
    return new ApiError(status === 401 ? "unauthenticated" : "internal", `HTTP ${status}`, status);
  }
  const trace = Array.isArray(body.trace) ? body.trace.filter((cause) => typeof cause === "string") : [];
  return new ApiError(
    typeof body.code === "string" ? body.code : "internal",
    body.error,
    status,
    isRecord(body.params) ? body.params : {},
    trace,
    typeof body.request_id === "string" ? body.request_id : null,
  );
}

async function send(path: string, init: RequestInit, cancel?: AbortSignal): Promise<unknown> {
  const deadline = AbortSignal.timeout(REQUEST_DEADLINE_MS);
  const token = session.token();
  const headers = new Headers(init.headers);
  if (token !== null) headers.set("authorization", token);
  let status = 0;
  let body: unknown;
  try {
    const signal = cancel ? AbortSignal.any([cancel, deadline]) : deadline;
    const response = await fetch(path, { ...init, headers, signal });
    status = response.status;
    body = await response.json().catch(() => undefined);
  } catch (cause) {
    if (cancel?.aborted) throw cause;
    throw new ApiError(deadline.aborted ? "deadline" : "network", String(cause), 0);
  }
  if (status >= 200 && status < 300) return body;
  const error = toApiError(status, body);
  if (status === 401 && token !== null && token === session.token() && !path.startsWith("/auth/login")) session.end();
  throw error;
}

/** Sends a request of the API and answers with its response. */
export async function call<M extends Module, N extends Name<M>>(
  module: M,
  name: N,
  params: Params<M, N>,
  cancel?: AbortSignal,
): Promise<Answer<M, N>> {
  const answer = await send(
    `/${module}/${name}`,
    { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(params) },
    cancel,
  );
  return answer as Answer<M, N>;
}

/** Reads a plain path, as `/user`. */
export const get = (path: string, cancel?: AbortSignal) => send(path, { method: "GET" }, cancel);
