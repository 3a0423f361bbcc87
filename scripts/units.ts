// Writes the unit files in systemd/ anew from the table in packages/cli/src/systemd/units.ts.
import { writeFileSync } from "node:fs";
import {
  PLACEHOLDERS,
  renderUnits,
  SYSTEM_MODE,
  USER_MODE,
} from "../packages/cli/src/systemd/units.ts";

for (const [folder, mode] of [
  ["user", USER_MODE],
  ["system", SYSTEM_MODE],
] as const)
  for (const { name, text } of renderUnits(PLACEHOLDERS, mode))
    writeFileSync(new URL(`../systemd/${folder}/${name}`, import.meta.url), text);
