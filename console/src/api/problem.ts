/** What the hub answers instead of a result (RFC 9457), and the two ways of getting no answer at all. */
export interface FieldError {
  field: string;
  code: string;
  detail?: string;
}

export class Problem extends Error {
  override name = "Problem";
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly traceId: string | null = null,
    readonly fields: FieldError[] = [],
    /** The present representation, which a 412 carries. */
    readonly current: unknown = null,
    /** Seconds to wait before trying again, where the hub named them. */
    readonly retryAfter: number | null = null,
    /** Of a refusal: with it, whoever may see roles learns why. */
    readonly explainId: string | null = null,
  ) {
    super(message);
  }

  /** A mistake of the hub's or of ours: whoever runs the hub finds it by its trace id. All else says itself what to do. */
  get unexpected(): boolean {
    return this.status === 400 || this.status >= 500;
  }

  /** True where somebody else can say why, and help: a permission is lacking, or an address is not let in. */
  get explainable(): boolean {
    return this.explainId !== null && /^(permission|roles)\.|^auth\.address_refused$/.test(this.code);
  }

  /** The hub could not be reached: status 0 is ours, no server sends it. */
  get offline(): boolean {
    return this.status === 0;
  }
}

export function problemFrom(body: unknown, response: Response): Problem {
  const told = (typeof body === "object" && body !== null ? body : {}) as Record<string, unknown>;
  const text = (key: string) => (typeof told[key] === "string" ? (told[key] as string) : null);
  const retry = Number(response.headers.get("retry-after"));
  return new Problem(
    response.status,
    text("code") ?? `http.${response.status}`,
    text("detail") ?? text("title") ?? response.statusText,
    text("trace_id") ?? response.headers.get("x-request-id"),
    Array.isArray(told.errors) ? (told.errors as FieldError[]) : [],
    told.current ?? null,
    Number.isFinite(retry) && retry > 0 ? retry : null,
    text("explain_id"),
  );
}

export function asProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  return new Problem(0, "offline", error instanceof Error ? error.message : String(error));
}
