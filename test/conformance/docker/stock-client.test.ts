import { stockClient } from "./client.ts";
import { compareSections } from "./compare-sections.ts";

compareSections("the stock client is answered as by Docker; what is otherwise is in differences.ts", {
  ours: "gantry",
  client: () => stockClient().path,
  needs: ["docker-cli 28"],
});
