import { type Category, GantryError } from "../base/errors.ts";

/** The engine answered with an error; `message` is its text, without any prefix. */
export class ResponseError extends GantryError {
  readonly status: number;

  constructor(status: number, message: string) {
    super(categoryOf(status), message);
    this.name = "ResponseError";
    this.status = status;
  }
}

function categoryOf(status: number): Category {
  switch (status) {
    case 304:
      return "not_modified";
    case 400:
      return "invalid_argument";
    case 401:
      return "unauthorized";
    case 403:
      return "forbidden";
    case 404:
      return "not_found";
    case 409:
      return "conflict";
    case 501:
      return "not_implemented";
    case 503:
      return "unavailable";
    default:
      return "internal";
  }
}

/** No connection to the engine could be made; `errno` says why. */
export class ConnectError extends GantryError {
  readonly errno: string | undefined;

  constructor(message: string, errno: string | undefined, cause: unknown) {
    super("unavailable", message, { cause });
    this.name = "ConnectError";
    this.errno = errno;
  }
}
