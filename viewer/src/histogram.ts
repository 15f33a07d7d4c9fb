// Small charts: the distribution of a tensor's elements, and a curve of losses.
import { svg } from "./dom";
import { formatCount, formatNumber, numeric } from "./format";
import type { Num, Summary } from "./payload";

const WIDTH = 280;
const HEIGHT = 56;

/** Bars of a histogram over its range, with a mark at zero. */
export function histogram(summary: Summary, tint: "value" | "grad"): SVGSVGElement | null {
  const counts = summary.histogram;
  if (!counts?.length) return null;
  const [low, high] = summary.range ?? [summary.min, summary.max];
  const most = Math.max(1, ...counts);
  const step = WIDTH / counts.length;
  const words = `Histogram from ${formatNumber(low)} to ${formatNumber(high)}`;
  const chart = svg("svg", {
    class: `histogram ${tint}`,
    viewBox: `0 0 ${WIDTH} ${HEIGHT + 18}`,
    role: "img",
    "aria-label": words,
  });
  counts.forEach((count, index) => {
    const h = count ? Math.max(1.5, (count / most) * HEIGHT) : 0;
    const bar = svg("rect", {
      x: index * step + 1,
      y: HEIGHT - h,
      width: step - 2,
      height: h,
      rx: 1.5,
    });
    bar.append(svg("title", {}, `${formatCount(count)} elements`));
    chart.append(bar);
  });
  chart.append(
    svg("line", { class: "axis", x1: 0, x2: WIDTH, y1: HEIGHT + 0.5, y2: HEIGHT + 0.5 }),
  );
  const from = numeric(low);
  const to = numeric(high);
  if (from < 0 && to > 0) {
    const zero = (-from / (to - from)) * WIDTH;
    chart.append(svg("line", { class: "zero", x1: zero, x2: zero, y1: 0, y2: HEIGHT + 4 }));
    if (zero > 60 && zero < WIDTH - 60) chart.append(mark("0", zero, "middle"));
  }
  chart.append(mark(formatNumber(low), 0, "start"), mark(formatNumber(high), WIDTH, "end"));
  return chart;
}

function mark(words: string, x: number, anchor: string): SVGTextElement {
  return svg("text", { x, y: HEIGHT + 14, "text-anchor": anchor }, words);
}

/** The losses of recorded steps, with the current one marked; broken numbers leave a gap. */
export function sparkline(losses: Num[], current: number): SVGSVGElement {
  const w = 240;
  const h = 30;
  const numbers = losses.map(numeric);
  const finite = numbers.filter(Number.isFinite);
  const low = Math.min(...finite);
  const span = Math.max(...finite) - low || 1;
  const x = (index: number): number => 4 + (index / Math.max(1, losses.length - 1)) * (w - 8);
  const y = (value: number): number => h - 4 - ((value - low) / span) * (h - 8);
  let path = "";
  let open = false;
  numbers.forEach((value, index) => {
    if (!Number.isFinite(value)) {
      open = false;
      return;
    }
    path += `${open ? "L" : "M"}${x(index).toFixed(1)} ${y(value).toFixed(1)}`;
    open = true;
  });
  const chart = svg("svg", {
    class: "sparkline",
    viewBox: `0 0 ${w} ${h}`,
    width: w,
    height: h,
    role: "img",
    "aria-label": `Loss over ${losses.length} steps`,
  });
  chart.append(svg("path", { d: path }));
  numbers.forEach((value, index) => {
    if (!Number.isFinite(value)) {
      chart.append(
        svg("path", { class: "broken", d: `M${x(index) - 3} ${h / 2 - 3}l6 6m0 -6l-6 6` }),
      );
    }
  });
  const value = numbers[current];
  if (value !== undefined) {
    const cy = Number.isFinite(value) ? y(value) : h / 2;
    chart.append(svg("circle", { cx: x(current), cy, r: 3.5 }));
  }
  return chart;
}
