// What a box says, and how it is drawn.
import { svg } from "./dom";
import { formatCount, formatNumber } from "./format";
import { CONSTANT, LEAF } from "./graph";
import type { Extent } from "./layout";
import type { State } from "./state";
import { fitText, textWidth } from "./textwidth";

/** Diameters of the circles of operators: in figures, and in larger graphs. */
const CIRCLE = 46;
const DOT = 30;
const MAX_TEXT = 210;

export interface BoxContent {
  look: "circle" | "leaf" | "constant" | "pill" | "group";
  title: string;
  subtitle: string;
  /** Words on a second line of facts, such as a shape. */
  note: string;
  badge: string;
  tint: string;
  stacked: boolean;
  caption: "none" | "side" | "below";
  name: string;
  extent: Extent;
}

function rectangle(w: number, h: number, round = false): Extent {
  return { w, h, body: { x: 0, y: 0, w, h }, round };
}

export function boxContent(state: State, item: number): BoxContent {
  return state.fold.isGroup(item) ? groupContent(state, item) : nodeContent(state, item);
}

function groupContent(state: State, item: number): BoxContent {
  const group = state.fold.group(item);
  const count = state.fold.countOf(item);
  const title = fitText(group.label || "(no module)", "label", MAX_TEXT);
  const badge = group.repeats > 1 ? `×${formatCount(group.repeats)}` : "";
  const note = `${formatCount(count)} nodes`;
  const subtitle = fitText(group.detail, group.kind === "line" ? "mono" : "small", MAX_TEXT);
  const titleRow = textWidth(title, "label") + (badge ? textWidth(badge, "small") + 22 : 0);
  const noteRow = textWidth(note, "small");
  const subtitleRow = subtitle ? textWidth(subtitle, group.kind === "line" ? "mono" : "small") : 0;
  const w = Math.ceil(Math.max(112, titleRow + 56, subtitleRow + 32, noteRow + 56));
  const h = subtitle ? 64 : 48;
  const extent = rectangle(w, h);
  if (group.repeats > 1) {
    extent.w += 8;
    extent.h += 8;
  }
  return {
    look: "group",
    title,
    subtitle,
    note,
    badge,
    tint: group.kind,
    stacked: group.repeats > 1,
    caption: "none",
    name: "",
    extent,
  };
}

function nodeContent(state: State, item: number): BoxContent {
  const { graph } = state;
  const kind = graph.kind[item]!;
  const symbol = graph.symbol(item) || graph.operator(item) || graph.name(item);
  const variable = graph.variable(item);
  const shape = graph.shape(item);
  const base = { badge: "", stacked: false, tint: graph.isRoot.has(item) ? "root" : "operator" };
  if (state.figure) return figureContent(state, item, symbol, base);
  if (kind === LEAF || kind === CONSTANT) {
    const title = fitText(
      shortPath(variable) || (kind === LEAF ? "variable" : "constant"),
      "label",
      130,
    );
    const w = Math.max(textWidth(title, "label"), textWidth(shape, "small")) + 30;
    return {
      ...base,
      look: kind === LEAF ? "leaf" : "constant",
      tint: kind === LEAF ? "leaf" : "constant",
      title,
      subtitle: shape,
      note: "",
      caption: "none",
      name: "",
      extent: rectangle(Math.ceil(Math.max(56, w)), shape ? 42 : 30),
    };
  }
  if ([...symbol].length === 1) {
    const name = fitText(variable || graph.operator(item), "small", 110);
    const side = Math.max(textWidth(name, "small"), textWidth(shape, "small"));
    return {
      ...base,
      look: "circle",
      title: symbol,
      subtitle: shape,
      note: "",
      caption: "side",
      name,
      extent: {
        w: Math.ceil(DOT + 6 + side),
        h: DOT + 4,
        body: { x: 0, y: 2, w: DOT, h: DOT },
        round: true,
      },
    };
  }
  const title = fitText(graph.operator(item) || symbol, "label", 150);
  const subtitle = fitText([variable, shape].filter(Boolean).join("  "), "small", 170);
  const w = Math.max(textWidth(title, "label"), textWidth(subtitle, "small")) + 28;
  return {
    ...base,
    look: "pill",
    title,
    subtitle,
    note: "",
    caption: "none",
    name: "",
    extent: rectangle(Math.ceil(Math.max(60, w)), subtitle ? 42 : 30),
  };
}

/** As in a textbook: circles, the name of the result beside, value and gradient with it. */
function figureContent(
  state: State,
  item: number,
  symbol: string,
  base: { badge: string; stacked: boolean; tint: string },
): BoxContent {
  const { graph } = state;
  const kind = graph.kind[item]!;
  const variable = graph.variable(item);
  const isOperator = kind !== LEAF && kind !== CONSTANT;
  const title = isOperator ? symbol : shortPath(variable) || constantText(state, item);
  const name = isOperator ? variable : "";
  const width = Math.max(
    CIRCLE,
    Math.min(96, textWidth(title, isOperator ? "label" : "math") + 24),
  );
  const facts = 84;
  const common = {
    ...base,
    title: fitText(title, isOperator ? "label" : "math", 78),
    subtitle: "",
    note: "",
    name,
    tint: isOperator ? base.tint : kind === LEAF ? "leaf" : "constant",
    look: isOperator
      ? ("circle" as const)
      : kind === LEAF
        ? ("leaf" as const)
        : ("constant" as const),
  };
  const round = width === CIRCLE;
  if (state.direction === "right") {
    const w = Math.max(width, facts);
    const below = 36;
    return {
      ...common,
      caption: "below",
      extent: {
        w,
        h: CIRCLE + 2 * below,
        body: { x: (w - width) / 2, y: below, w: width, h: CIRCLE },
        round,
      },
    };
  }
  return {
    ...common,
    caption: "side",
    extent: {
      w: width + 8 + facts,
      h: CIRCLE + 6,
      body: { x: 0, y: 3, w: width, h: CIRCLE },
      round,
    },
  };
}

function constantText(state: State, node: number): string {
  const value = state.valueOf(node);
  if (value?.count === 1 && value.values?.length === 1) return formatNumber(value.values[0]);
  return "const";
}

/** "layers.3.attention.weight" as its last two names. */
function shortPath(path: string): string {
  return path.split(".").slice(-2).join(".");
}

/** The element of a box, drawn around its upper left corner. */
export function drawBox(content: BoxContent): SVGGElement {
  const { extent, look } = content;
  const { body } = extent;
  const group = svg("g", { class: `box look-${look} tint-${content.tint}` });
  const cx = body.x + body.w / 2;
  const cy = body.y + body.h / 2;
  if (content.stacked) {
    for (const offset of [8, 4]) {
      group.append(
        svg("rect", {
          class: "behind",
          x: offset,
          y: offset,
          width: extent.w - 8,
          height: extent.h - 8,
          rx: 10,
        }),
      );
    }
  }
  const inset = content.stacked ? 8 : 0;
  const w = body.w - (look === "group" ? 0 : 0);
  const h = body.h;
  const radius =
    look === "circle" || look === "leaf" ? Math.min(w, h) / 2 : look === "group" ? 10 : 8;
  group.append(
    svg("rect", {
      class: "ring",
      x: body.x - 4,
      y: body.y - 4,
      width: w + 8,
      height: h + 8,
      rx: radius + 4,
    }),
    svg("rect", { class: "body", x: body.x, y: body.y, width: w, height: h, rx: radius }),
  );
  if (look === "group") {
    drawGroup(group, content, extent.w - inset, extent.h - inset);
  } else if (content.caption !== "none") {
    const mathematical = content.look !== "circle";
    group.append(
      text(
        content.title,
        cx,
        cy,
        `symbol${mathematical ? " name" : [...content.title].length > 1 ? " word" : ""}${body.h <= DOT ? " small" : ""}`,
      ),
    );
    drawCaption(group, content, cx, cy);
  } else {
    group.append(text(content.title, cx, content.subtitle ? cy - 7 : cy, "title"));
    if (content.subtitle) group.append(text(content.subtitle, cx, cy + 10, "subtitle"));
  }
  return group;
}

function drawGroup(group: SVGGElement, content: BoxContent, w: number, h: number): void {
  const left = 16;
  const rows = content.subtitle ? [19, 36, 52] : [17, 33];
  group.append(text(content.title, left, rows[0]!, "title start"));
  if (content.badge) {
    const width = textWidth(content.badge, "small") + 12;
    const x = left + textWidth(content.title, "label") + 8;
    group.append(
      svg("rect", { class: "badge", x, y: rows[0]! - 9, width, height: 18, rx: 9 }),
      text(content.badge, x + width / 2, rows[0]! + 0.5, "badge-text"),
    );
  }
  if (content.subtitle) {
    const mono = content.tint === "line" ? " mono" : "";
    group.append(text(content.subtitle, left, rows[1]!, `subtitle start${mono}`));
  }
  group.append(
    text(content.note, left, rows[rows.length - 1]!, "note start"),
    svg("rect", { class: "progress-back", x: 1, y: h - 4, width: w - 2, height: 3, rx: 1.5 }),
    svg("rect", {
      class: "progress",
      x: 1,
      y: h - 4,
      width: 0,
      height: 3,
      rx: 1.5,
      "data-room": w - 2,
    }),
    control(w - 17, rows[0]!, "+"),
  );
}

/** The round sign that unfolds (+) or folds (−) a group. */
export function control(x: number, y: number, sign: "+" | "−"): SVGGElement {
  const arms = sign === "+" ? "M-4 0H4M0 -4V4" : "M-4 0H4";
  return svg(
    "g",
    { class: "control", "data-control": "", transform: `translate(${x} ${y})` },
    svg("circle", { class: "control-area", r: 11 }),
    svg("path", { d: arms }),
  );
}

function drawCaption(group: SVGGElement, content: BoxContent, cx: number, cy: number): void {
  const { body } = content.extent;
  if (content.caption === "below") {
    if (content.name)
      group.append(text(fitText(content.name, "math", 110), cx, body.y - 10, "name caption"));
    group.append(
      text("", cx, body.y + body.h + 11, "fact value"),
      text("", cx, body.y + body.h + 26, "fact grad"),
    );
    return;
  }
  const x = body.x + body.w + 6;
  if (content.look === "circle" && body.h <= DOT) {
    group.append(text(content.name, x, cy - 6, "subtitle strong start"));
    group.append(text(content.subtitle, x, cy + 8, "subtitle start"));
    return;
  }
  group.append(
    text(fitText(content.name, "math", 84), x, cy - 16, "name caption start"),
    text("", x, cy + 1, "fact value start"),
    text("", x, cy + 16, "fact grad start"),
  );
}

export function text(content: string, x: number, y: number, cls: string): SVGTextElement {
  return svg("text", { x, y, class: cls, "dominant-baseline": "central" }, content);
}
