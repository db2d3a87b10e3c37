/** A wrong template ("parse") or one that does not fit its data ("execute"). */
export class TemplateError extends Error {
  readonly phase: "parse" | "execute";

  constructor(phase: "parse" | "execute", message: string) {
    super(message);
    this.name = "TemplateError";
    this.phase = phase;
  }
}
