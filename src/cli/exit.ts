/** How a command ends early: a message for standard error, printed as it is, and the exit status. */
export class Exit extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.name = "Exit";
    this.status = status;
  }
}
