// Writes the unit files in systemd/ anew from the table in packages/cli/src/systemd/units.ts.
import { writeFileSync } from "node:fs";
import { PLACEHOLDERS, renderUnits } from "../packages/cli/src/systemd/units.ts";

for (const { name, text } of renderUnits(PLACEHOLDERS))
  writeFileSync(new URL(`../systemd/${name}`, import.meta.url), text);
