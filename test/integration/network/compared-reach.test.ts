import { compareSection } from "../../conformance/network/compare-section.ts";

// Docker loads it, and was recorded with it.
compareSection("reach", ["br_netfilter"]);
