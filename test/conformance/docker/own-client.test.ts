import { GANTRY } from "../../support/engine.ts";
import { compareSections } from "./compare-sections.ts";

compareSections("our client is as the stock one; what is otherwise is in client-differences.ts", {
  ours: "own-client",
  client: () => GANTRY,
  needs: [],
});
