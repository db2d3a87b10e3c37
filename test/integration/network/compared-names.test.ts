import { compareSection } from "../../conformance/network/compare-section.ts";

compareSection("names");
