/** Certificates of authorities that live as long as a test; made by the openssl program. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface IssuedCertificate {
  readonly cert: string;
  readonly key: string;
}

export interface Authority {
  readonly cert: string;
  /** `names` as in "DNS:localhost,IP:127.0.0.1"; `days` below 0 = it has expired. */
  issue(names: string, days?: number): IssuedCertificate;
}

export function makeAuthority(): Authority & Disposable {
  const directory = mkdtempSync(join(tmpdir(), "gantry-authority-"));
  const at = (name: string): string => join(directory, name);
  const openssl = (...words: string[]): void =>
    void execFileSync("openssl", words, { stdio: ["ignore", "ignore", "pipe"], cwd: directory });
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  openssl(
    "req",
    "-x509",
    ...key,
    "-keyout",
    "ca.key",
    "-out",
    "ca.crt",
    "-days",
    "2",
    "-subj",
    "/CN=test authority",
  );
  let serial = 1;
  return {
    cert: readFileSync(at("ca.crt"), "utf8"),
    issue: (names, days = 2) => {
      writeFileSync(at("ext"), `subjectAltName=${names}\n`);
      openssl("req", ...key, "-keyout", "one.key", "-out", "one.csr", "-subj", "/CN=test");
      const signing = [
        "-CA",
        "ca.crt",
        "-CAkey",
        "ca.key",
        "-set_serial",
        String(serial++),
        "-extfile",
        "ext",
      ];
      openssl("x509", "-req", "-in", "one.csr", "-out", "one.crt", "-days", String(days), ...signing);
      return { cert: readFileSync(at("one.crt"), "utf8"), key: readFileSync(at("one.key"), "utf8") };
    },
    [Symbol.dispose]: () => rmSync(directory, { recursive: true }),
  };
}
