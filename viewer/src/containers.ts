// Unfolded groups: a frame under the lines, and its title over them, so that it stays readable.
import { control, text } from "./boxes";
import { svg } from "./dom";
import { formatCount } from "./format";
import type { PlacedBox } from "./layout";
import type { State } from "./state";
import { fitText, textWidth } from "./textwidth";

export interface Container {
  frame: SVGGElement;
  title: SVGGElement;
}

export function drawContainer(state: State, box: PlacedBox): Container {
  const group = state.fold.group(box.item);
  const frame = svg(
    "g",
    { class: `around tint-${group.kind}` },
    svg("rect", { class: "ring", x: -4, y: -4, rx: 16 }),
    svg("rect", { class: "body", rx: 12 }),
    control(box.w - 18, 18, "−"),
  );
  const title = svg(
    "g",
    { class: "around-title", "aria-hidden": "true" },
    text("", 16, 18, "title start"),
    text("", 16, 18.5, "subtitle start"),
  );
  entitle(state, title, box);
  return { frame, title };
}

/** Writes as much of a group's title as its width holds. */
export function entitle(state: State, title: SVGGElement, box: PlacedBox): void {
  const group = state.fold.group(box.item);
  const [name, subtitle] = title.children;
  const words = fitText(group.label || "(no module)", "label", Math.max(80, box.w - 70));
  const width = textWidth(words, "label");
  const repeats = group.repeats > 1 ? `×${formatCount(group.repeats)}` : "";
  const note = [repeats, group.detail].filter(Boolean).join("  ");
  const room = box.w - width - 70;
  name!.textContent = words;
  subtitle!.textContent = note && room > 30 ? fitText(note, "small", room) : "";
  subtitle!.setAttribute("x", String(16 + width + 10));
}

export function resize(frame: SVGGElement, w: number, h: number): void {
  const [ring, body, sign] = frame.children as unknown as [SVGElement, SVGElement, SVGElement];
  const size = (element: SVGElement, width: number, height: number): void => {
    element.setAttribute("width", width.toFixed(2));
    element.setAttribute("height", height.toFixed(2));
  };
  size(ring, w + 8, h + 8);
  size(body, w, h);
  sign.setAttribute("transform", `translate(${(w - 18).toFixed(2)} 18)`);
}
