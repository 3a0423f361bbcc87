import type { Row, RowSpec } from "./scenario.ts";
import type { Summary } from "./samples.ts";

const HEAD = ["", "", "sesame", "beside it", "ratio", "target", ""];

/** Rows as lines of text, columns aligned. */
export function renderTable(rows: readonly Row[]): string {
  const cells = [HEAD, ...rows.map(cellsOf)];
  const widths = HEAD.map((_, i) => Math.max(...cells.map((row) => (row[i] ?? "").length)));
  return cells
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** "0.55 x" or "2 ms", with the side that it bounds. */
export function targetText({ target, better, unit }: RowSpec): string {
  if (target === undefined) return "";
  const bound = better === "lower" ? "<=" : ">=";
  return "ratio" in target
    ? `${bound} ${target.ratio} x`
    : `${bound} ${short(target.value)} ${unit}`;
}

function cellsOf(row: Row): string[] {
  const { scenario, name, unit, ours, beside, ratio, met } = row;
  return [
    scenario,
    name,
    spread(ours, unit),
    beside === null ? "" : `${beside.name} ${spread(beside, unit)}`,
    ratio === null ? "" : `${ratio.toFixed(2)} x`,
    targetText(row),
    met === null ? "" : met ? "met" : "MISSED",
  ];
}

function spread({ median, min, max }: Summary, unit: string): string {
  return `${short(median)} ${unit} (${short(min)}-${short(max)})`;
}

/** Three digits that count. */
function short(value: number): string {
  if (Math.abs(value) >= 100_000) return `${Math.round(value / 1_000)}k`;
  if (Math.abs(value) >= 100) return String(Math.round(value));
  return String(Number(value.toPrecision(3)));
}
