// Bundles the programs.
import { mkdirSync } from "node:fs";

mkdirSync(new URL("../packages/cli/dist/", import.meta.url), { recursive: true });
