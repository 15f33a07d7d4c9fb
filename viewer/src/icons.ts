// The signs on buttons, drawn as paths in a square of 16.
import { svg } from "./dom";

const PATHS = {
  play: "M4.5 2.5v11l9-5.5z",
  pause: "M4 2.5h3v11H4zM9 2.5h3v11H9z",
  step: "M3 2.5v11l7.5-5.5zM11.5 2.5h2v11h-2z",
  back: "M13 2.5v11L5.5 8zM2.5 2.5h2v11h-2z",
  start: "M14 2.5v11L8 8zM8 2.5v11L2 8zM1 2.5h1.4v11H1z",
  close: "M3.5 3.5l9 9m0-9l-9 9",
  plus: "M8 3v10M3 8h10",
  minus: "M3 8h10",
  fit: "M2.5 6V2.5H6M10 2.5h3.5V6M13.5 10v3.5H10M6 13.5H2.5V10",
  theme: "M8 2a6 6 0 1 0 0 12zM8 2a6 6 0 0 1 0 12",
  down: "M8 2.5v11M4 9.5l4 4 4-4",
  right: "M2.5 8h11M9.5 4l4 4-4 4",
  save: "M8 2v8M4.5 7L8 10.5 11.5 7M2.5 13.5h11",
  help: "M5.8 6a2.2 2.2 0 1 1 3.3 1.9c-.7.4-1.1.8-1.1 1.6M8 12v.2",
  panel: "M2 3h12v10H2zM10 3v10",
  collapse: "M4 6l4-3.5L12 6M4 10l4 3.5 4-3.5",
} as const;

const FILLED = new Set(["play", "pause", "step", "back", "start"]);

export function icon(name: keyof typeof PATHS): SVGSVGElement {
  return svg(
    "svg",
    {
      class: `icon ${FILLED.has(name) ? "filled" : "stroked"}`,
      viewBox: "0 0 16 16",
      width: 16,
      height: 16,
      "aria-hidden": "true",
    },
    svg("path", { d: PATHS[name] }),
  );
}
