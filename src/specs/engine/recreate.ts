/** The body of POST /containers/{id}/recreate: what is to be different. Fields that are not there change nothing. */
export interface RecreateRequest {
  /** A reference or an id; "" = the container's. */
  readonly Image: string;
  /** "NAME=value", each in the place of one with its name. */
  readonly Env: readonly string[];
  /** Names that are set no more, not even by the image. */
  readonly EnvRemove: readonly string[];
  readonly Labels: Readonly<Record<string, string>>;
}
