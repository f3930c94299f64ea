/** A fault in a SensorThings request, answered as problem+json (RFC 9457). */
export class StaProblem extends Error {
  readonly status: number;
  constructor(status: number, detail: string) {
    super(detail);
    this.status = status;
  }
}

export const badRequest = (detail: string): StaProblem => new StaProblem(400, detail);
export const notFound = (detail: string): StaProblem => new StaProblem(404, detail);
