// Widths of text, without touching the layout of the page.

export const FONTS = {
  label:
    '600 13px "Inter", "Segoe UI", system-ui, -apple-system, "Helvetica Neue", Arial, sans-serif',
  small:
    '400 11px "Inter", "Segoe UI", system-ui, -apple-system, "Helvetica Neue", Arial, sans-serif',
  math: 'italic 400 16px "STIX Two Text", "Latin Modern Roman", Cambria, Georgia, "Liberation Serif", serif',
  mono: '400 11px ui-monospace, "SF Mono", "Cascadia Mono", Menlo, "DejaVu Sans Mono", monospace',
} as const;

export type Font = keyof typeof FONTS;

const widths = new Map<string, number>();
let context: CanvasRenderingContext2D | null = null;

export function textWidth(text: string, font: Font): number {
  const key = font + text;
  let width = widths.get(key);
  if (width === undefined) {
    context ??= document.createElement("canvas").getContext("2d")!;
    context.font = FONTS[font];
    width = context.measureText(text).width;
    if (widths.size > 20000) widths.clear();
    widths.set(key, width);
  }
  return width;
}

/** The text, cut where it is too long: in its middle, as paths say most at both ends, or at its end. */
export function fitText(text: string, font: Font, room: number, head = 0.6): string {
  if (textWidth(text, font) <= room) return text;
  let low = 1;
  let high = text.length;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (textWidth(cut(text, middle, head), font) <= room) low = middle;
    else high = middle - 1;
  }
  return cut(text, low, head);
}

function cut(text: string, length: number, part: number): string {
  const characters = [...text];
  const head = Math.ceil(length * part);
  const tail = Math.max(0, length - head);
  return `${characters.slice(0, head).join("")}…${tail ? characters.slice(-tail).join("") : ""}`;
}
