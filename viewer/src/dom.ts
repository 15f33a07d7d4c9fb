// Elements without markup: text is always set as text, so nothing in a graph can become HTML.

export const SVG = "http://www.w3.org/2000/svg";
const MATHML = "http://www.w3.org/1998/Math/MathML";

type Attributes = Record<string, string | number | boolean | null | undefined>;
type Child = Node | string | null | undefined | false;

function fill(element: Element, attributes: Attributes, children: Child[]): void {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    element.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children) if (child) element.append(child);
}

export function html<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  fill(element, attributes, children);
  return element;
}

export function svg<K extends keyof SVGElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Child[]
): SVGElementTagNameMap[K] {
  const element = document.createElementNS(SVG, tag);
  fill(element, attributes, children);
  return element;
}

export function math(tag: string, attributes: Attributes = {}, ...children: Child[]): Element {
  const element = document.createElementNS(MATHML, tag);
  fill(element, attributes, children);
  return element;
}

export function byId<T extends Element = HTMLElement>(id: string): T {
  const element = document.getElementById(id);
  if (!element) throw new Error(`the page has no element "${id}"`);
  return element as unknown as T;
}

export function button(
  label: string,
  content: Child,
  onClick: () => void,
  attributes: Attributes = {},
): HTMLButtonElement {
  const element = html(
    "button",
    { type: "button", "aria-label": label, title: label, ...attributes },
    content,
  );
  element.addEventListener("click", onClick);
  return element;
}

/** Says something to screen readers, without moving the focus. */
export function announce(text: string): void {
  byId("live").textContent = text;
}

export const calm = (): boolean => matchMedia("(prefers-reduced-motion: reduce)").matches;
