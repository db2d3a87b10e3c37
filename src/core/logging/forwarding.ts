/**
 * Sending logs away. The shim writes the container's file, and that file is the buffer: what is in it, rotated files included, is
 * sent in its order, however slow or dead the sink is, and whether or not the container still runs. Nobody waits for a sink but the
 * lines themselves.
 *
 * Each line is sent at least once. How far a log has been sent is written down at most a second late, in `forwarded` in the
 * container's directory.
 *
 * On crash: the next daemon goes on from there, so at most what was sent in the last second or so comes twice. (A sink that does
 * not acknowledge, which most do not, gets the last second's lines again when its connection breaks, too.) On a power cut the
 * position may be lost; then all that the files still hold is sent again.
 */
import type { LogSink } from "../tasks/tasks.ts";
import type { RemoteLog } from "./remote-log.ts";

export interface ForwardedLog {
  readonly id: string;
  readonly file: LogSink;
  readonly remote: RemoteLog;
  /** Where the position is kept. */
  readonly positionPath: string;
}

export interface LogForwarding {
  /**
   * Sends what the file has and gets, until `ended` has settled and everything is sent. Called for every run of a container, and
   * for all containers when the daemon starts; one that is at work goes on with the new `ended`.
   */
  follow(log: ForwardedLog, ended: Promise<unknown>): void;

  /**
   * The container is about to be deleted with its files: returns when its last lines are sent, after a short while at the latest.
   * What could not be sent by then is given up, and the daemon's log says so. Unknown ids are fine.
   */
  release(id: string): Promise<void>;

  /** Ends without losing its place: for the end of the daemon. */
  stop(): Promise<void>;
}
