// Saves what is seen as an SVG file that stands alone: the styles of the page are written into it.
import type { Drawing } from "./drawing";
import { SVG, svg } from "./dom";

const PROPERTIES = [
  "fill",
  "fill-opacity",
  "stroke",
  "stroke-width",
  "stroke-dasharray",
  "stroke-opacity",
  "stroke-linecap",
  "stroke-linejoin",
  "paint-order",
  "opacity",
  "font-family",
  "font-size",
  "font-style",
  "font-weight",
  "text-anchor",
  "letter-spacing",
] as const;
const MARGIN = 24;

/** The text of an SVG file of the whole current picture. */
export function svgText(drawing: Drawing, world: SVGGElement, title: string): string {
  const { bounds } = drawing.picture;
  const copy = world.cloneNode(true) as SVGGElement;
  inlineStyles(world, copy);
  copy.removeAttribute("transform");
  for (const unwanted of copy.querySelectorAll(
    ".hit, .ring, [data-control], .progress, .progress-back",
  )) {
    unwanted.remove();
  }
  for (const element of copy.querySelectorAll("*")) {
    for (const { name } of [...element.attributes]) {
      if (/^(class|tabindex|role|aria-|data-)/.test(name)) element.removeAttribute(name);
    }
  }
  const w = bounds.w + 2 * MARGIN;
  const h = bounds.h + 2 * MARGIN;
  const box = [bounds.x - MARGIN, bounds.y - MARGIN, w, h];
  const background = getComputedStyle(document.body).backgroundColor;
  const file = svg("svg", { xmlns: SVG, viewBox: box.join(" "), width: w, height: h, role: "img" });
  const arrow = document.getElementById("arrow")!.cloneNode(true) as Element;
  inlineStyles(document.getElementById("arrow")!, arrow);
  file.append(
    svg("title", {}, title),
    svg("defs", {}, arrow),
    svg("rect", { x: box[0], y: box[1], width: w, height: h, fill: background }),
    copy,
  );
  return new XMLSerializer().serializeToString(file);
}

function inlineStyles(from: Element, to: Element): void {
  const style = getComputedStyle(from);
  for (const property of PROPERTIES) {
    const value = style.getPropertyValue(property);
    if (value) to.setAttribute(property, value);
  }
  to.removeAttribute("style");
  for (let at = 0; at < from.children.length; at++)
    inlineStyles(from.children[at]!, to.children[at]!);
}

export function saveSvg(drawing: Drawing, world: SVGGElement, title: string): void {
  const blob = new Blob([svgText(drawing, world, title)], { type: "image/svg+xml" });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = `${title.replace(/[^\p{L}\p{N}._-]+/gu, "-").replace(/^-+|-+$/g, "") || "graph"}.svg`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
