// For tests/test_pixel_grid.py: reads cases from standard input, and writes what the pixel grid's script makes of them.
import { readFileSync } from "node:fs";

const file = new URL("../spt/ui/shared/pixel_grid.js", import.meta.url);
const { warp, source, level, down, up, dragged } = await import("data:text/javascript," + encodeURIComponent(readFileSync(file, "utf-8")));
const cases = JSON.parse(readFileSync(0, "utf-8"));
console.log(JSON.stringify(cases.map(({ image, size, kind, values, ends, drag }) => {
  const warped = [...warp(Float64Array.from(image), size, kind, values)];
  return { warped, levels: warped.map(level), source: source(kind, values, 1.5, -2), ends: ends.map(([low, high]) => [down(low), up(high)]), dragged: drag ? dragged(kind, ...drag) : [] };
})));
