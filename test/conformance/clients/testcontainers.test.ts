import { engineSuite } from "../../support/suite.ts";
import { NODE, testPrograms } from "./programs.ts";

engineSuite("Testcontainers for Node", { needs: ["client libraries"] }, (engine) => {
  testPrograms(engine, "testcontainers", [], NODE, {
    // Its reaper's image is on a hub that tests do not ask.
    TESTCONTAINERS_RYUK_DISABLED: "true",
    // Else it takes a machine with a /.dockerenv for a container, and the bridge's gateway for the host.
    TESTCONTAINERS_HOST_OVERRIDE: "localhost",
    TESTCONTAINERS_REUSE_ENABLE: "true",
  });
});
