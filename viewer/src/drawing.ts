// Draws the picture of the state, and moves it smoothly from one picture to the next.
import { boxContent, drawBox, text, type BoxContent } from "./boxes";
import { drawContainer, entitle, resize } from "./containers";
import { transformOf, type Camera } from "./camera";
import { calm, svg } from "./dom";
import { between, pathThrough, resample } from "./edgepath";
import { formatCount, formatNumber, plural } from "./format";
import {
  forgetLayouts,
  place,
  type Measure,
  type Picture,
  type PlacedBox,
  type PlacedEdge,
  type Point,
  type Rect,
} from "./layout";
import type { LevelEdge } from "./scene";
import type { State } from "./state";
import { textWidth } from "./textwidth";

const DURATION = 380;
const SAMPLES = 14;

interface BoxView {
  box: PlacedBox;
  element: SVGGElement;
  content: BoxContent | null;
  /** Of an unfolded group: its title, above the lines. */
  title: SVGGElement | null;
  from: Rect;
  leaving: boolean;
}

interface EdgeView {
  placed: PlacedEdge;
  element: SVGGElement;
  path: SVGPathElement;
  hit: SVGPathElement;
  label: SVGGElement | null;
  from: Point[] | null;
}

export class Drawing {
  readonly stage: SVGSVGElement;
  picture: Picture;
  readonly boxes = new Map<string, BoxView>();
  readonly edges = new Map<string, EdgeView>();
  private containers = svg("g", { class: "containers" });
  private lines = svg("g", { class: "edges" });
  private titles = svg("g", { class: "titles" });
  private labels = svg("g", { class: "edge-labels" });
  private items = svg("g", { class: "boxes" });
  private contents = new Map<number, BoxContent>();
  private frame = 0;
  private drawn: unknown = null;
  private finish: (() => void) | null = null;
  private afterDraw: (() => void)[] = [];

  constructor(
    private readonly state: State,
    private readonly camera: Camera,
    world: SVGGElement,
  ) {
    this.stage = world.ownerSVGElement!;
    world.append(this.containers, this.lines, this.titles, this.labels, this.items);
    this.picture = this.layout();
  }

  onDraw(listener: () => void): void {
    this.afterDraw.push(listener);
  }

  content(item: number): BoxContent {
    let content = this.contents.get(item);
    if (!content) this.contents.set(item, (content = boxContent(this.state, item)));
    return content;
  }

  private layout(): Picture {
    const { state } = this;
    const look = `${state.foldName}/${state.direction}`;
    if (this.drawn !== state.fold || look !== this.look) {
      forgetLayouts();
      this.contents.clear();
    }
    this.look = look;
    const measure: Measure = {
      straight: state.figure,
      title: (group) => {
        const words = state.fold.groups[group]!.label || "(no module)";
        return Math.min(300, Math.max(150, textWidth(words, "label") + 76));
      },
      extent: (item) => this.content(item).extent,
      label: (edge) => {
        const words = this.edgeLabel(edge);
        return words ? { w: textWidth(words, "small") + 10, h: 16 } : null;
      },
    };
    return place(state.level, state.direction, measure);
  }
  private look = "";

  /** The words on a line: local gradients in figures, shapes or counts between groups. */
  private edgeLabel(edge: LevelEdge): string {
    const { graph, figure, fold } = this.state;
    if (figure && edge.raw.length === 1) {
      const local = graph.local(edge.raw[0]!);
      return local === null ? "" : formatNumber(local);
    }
    // Said once, where the line leaves a group; a node says its own shape.
    if (typeof edge.from !== "number" || !fold.isGroup(edge.from)) return "";
    const first = graph.source[edge.raw[0]!]!;
    const single = edge.raw.every((raw) => graph.source[raw] === first);
    return single ? shapeLabel(graph.shape(first)) : `×${formatCount(edge.raw.length)}`;
  }

  /** Redraws after a change of the scene. */
  draw(): void {
    this.finish?.();
    const fresh = this.drawn !== this.state.fold;
    const before = this.picture;
    this.picture = this.layout();
    const first = this.drawn === null;
    this.drawn = this.state.fold;
    if (fresh) this.clear();
    const oldRects = new Map(before.boxes.map((box) => [box.item, box as Rect]));
    const still = first || fresh || calm();
    this.joinBoxes(oldRects, still);
    this.joinEdges(still);
    const target = this.cameraTarget(oldRects, fresh);
    if (still) {
      this.settle(1);
      if (target) this.camera.set(target);
      this.removeLeaving();
    } else {
      this.animate(target);
    }
    this.state.anchor = null;
    for (const listener of this.afterDraw) listener();
  }

  private clear(): void {
    for (const layer of [this.containers, this.lines, this.titles, this.labels, this.items])
      layer.replaceChildren();
    this.boxes.clear();
    this.edges.clear();
  }

  private cameraTarget(oldRects: Map<number, Rect>, fresh: boolean) {
    const { anchor } = this.state;
    if (fresh) return this.camera.opening(this.picture.bounds, this.picture.direction === "down");
    if (anchor === null) return null;
    const box = this.picture.boxes.find(
      (candidate) => candidate.item === this.state.visibleOf(anchor),
    );
    if (!box) return null;
    let base = this.camera.transform;
    const old = oldRects.get(box.item);
    if (old) {
      // Its upper middle stays where it was on the screen.
      const x = base.applyX(old.x + old.w / 2) - (box.x + box.w / 2) * base.k;
      const y = base.applyY(old.y) - box.y * base.k;
      base = transformOf(x, y, base.k);
    }
    return this.camera.showing(box, base);
  }

  private boxKey(box: PlacedBox): string {
    return box.unfolded ? `around${box.item}` : `box${box.item}`;
  }

  private joinBoxes(oldRects: Map<number, Rect>, still: boolean): void {
    const keep = new Set<string>();
    const newRects = new Map(this.picture.boxes.map((box) => [box.item, box as Rect]));
    const ordered = [...this.picture.boxes].sort((a, b) => a.depth - b.depth);
    for (const box of ordered) {
      const key = this.boxKey(box);
      keep.add(key);
      const known = this.boxes.get(key);
      // Turned or folded otherwise, a box may look different.
      const same = known && (box.unfolded || known.content === this.content(box.item));
      if (known && same && !known.leaving) {
        known.from = known.box;
        known.box = box;
        if (known.title) entitle(this.state, known.title, box);
        continue;
      }
      known?.element.remove();
      known?.title?.remove();
      const content = box.unfolded ? null : this.content(box.item);
      const container = content ? null : drawContainer(this.state, box);
      const element = container ? container.frame : drawBox(content!);
      const title = container?.title ?? null;
      if (title) this.titles.append(title);
      this.label(element, box);
      (content ? this.items : this.containers).append(element);
      const from = oldRects.get(box.item) ?? this.nearestOld(box.item, oldRects) ?? box;
      if (!still) element.style.opacity = "0";
      if (!still && title) title.style.opacity = "0";
      this.boxes.set(key, { box, element, content, title, from, leaving: false });
    }
    for (const [key, view] of this.boxes) {
      if (keep.has(key)) continue;
      view.leaving = true;
      view.from = view.box;
      const target = newRects.get(this.state.visibleOf(view.box.item)) ?? view.box;
      view.box = { ...view.box, ...rectOf(target) };
      view.element.setAttribute("aria-hidden", "true");
    }
  }

  /** Where a box that was hidden comes from: the group that hid it. */
  private nearestOld(item: number, oldRects: Map<number, Rect>): Rect | null {
    const { fold } = this.state;
    for (const group of fold.ancestors(item).reverse()) {
      const rect = oldRects.get(fold.groupItem(group));
      if (rect) return rect;
    }
    return null;
  }

  private label(element: SVGGElement, box: PlacedBox): void {
    const { state } = this;
    const group = state.fold.isGroup(box.item);
    element.setAttribute("data-item", String(box.item));
    element.setAttribute("tabindex", "-1");
    element.setAttribute("role", "treeitem");
    if (group) element.setAttribute("aria-expanded", String(box.unfolded));
    element.setAttribute("aria-label", describe(state, box.item));
  }

  private joinEdges(still: boolean): void {
    const keep = new Set<string>();
    for (const placed of this.picture.edges) {
      keep.add(placed.key);
      const known = this.edges.get(placed.key);
      if (known) {
        known.from = known.placed.points;
        known.placed = placed;
        continue;
      }
      const path = svg("path", { class: "line" });
      const hit = svg("path", { class: "hit" });
      const element = svg("g", { class: "edge", "data-edge": placed.key }, path, hit);
      if (placed.arrow) path.setAttribute("marker-end", "url(#arrow)");
      path.style.setProperty(
        "--weight",
        String(Math.min(4, 1.3 + Math.log2(placed.edge.raw.length) * 0.4)),
      );
      this.lines.append(element);
      const words = this.edgeLabel(placed.edge);
      const label = words ? this.drawLabel(words, placed) : null;
      if (!still) {
        element.style.opacity = "0";
        if (label) label.style.opacity = "0";
      }
      this.edges.set(placed.key, { placed, element, path, hit, label, from: null });
    }
    for (const [key, view] of this.edges) {
      if (keep.has(key)) continue;
      view.element.remove();
      view.label?.remove();
      this.edges.delete(key);
    }
  }

  private drawLabel(words: string, placed: PlacedEdge): SVGGElement {
    const width = textWidth(words, "small") + 10;
    const count = !this.state.figure || placed.edge.raw.length > 1;
    const label = svg("g", {
      class: `edge-label ${count ? "count" : "local"}`,
      "data-edge": placed.key,
    });
    label.append(
      svg("rect", { x: -width / 2, y: -8.5, width, height: 17, rx: 8.5 }),
      text(words, 0, 0.5, "edge-text"),
    );
    this.labels.append(label);
    return label;
  }

  private animate(target: ReturnType<Camera["fitting"]> | null): void {
    const start = performance.now();
    const old = this.camera.transform;
    const samples = new Map<EdgeView, { from: Point[]; to: Point[] }>();
    for (const view of this.edges.values()) {
      if (!view.from) continue;
      samples.set(view, {
        from: resample(view.from, SAMPLES),
        to: resample(view.placed.points, SAMPLES),
      });
    }
    const advance = (part: number): void => {
      const eased = part < 0.5 ? 4 * part ** 3 : 1 - (-2 * part + 2) ** 3 / 2;
      this.settle(eased, samples);
      if (target) {
        const mix = (a: number, b: number): number => a + (b - a) * eased;
        this.camera.set(
          transformOf(mix(old.x, target.x), mix(old.y, target.y), mix(old.k, target.k)),
        );
      }
    };
    const end = (): void => {
      cancelAnimationFrame(this.frame);
      this.finish = null;
      advance(1);
      this.settle(1);
      this.removeLeaving();
    };
    this.finish = end;
    const tick = (now: number): void => {
      const part = Math.min(1, Math.max(0, now - start) / DURATION);
      if (part >= 1) return end();
      advance(part);
      this.frame = requestAnimationFrame(tick);
    };
    advance(0);
    this.frame = requestAnimationFrame(tick);
  }

  private settle(part: number, samples?: Map<EdgeView, { from: Point[]; to: Point[] }>): void {
    const mix = (a: number, b: number): number => a + (b - a) * part;
    for (const view of this.boxes.values()) {
      const { box, from, element, leaving } = view;
      if (view.content) {
        // A box keeps its size: its middle moves.
        const { w, h } = view.content.extent;
        const x = mix(from.x + from.w / 2, box.x + box.w / 2) - w / 2;
        const y = mix(from.y + from.h / 2, box.y + box.h / 2) - h / 2;
        element.setAttribute("transform", `translate(${round(x)} ${round(y)})`);
      } else {
        const w = mix(from.w, box.w);
        const h = mix(from.h, box.h);
        const at = `translate(${round(mix(from.x, box.x))} ${round(mix(from.y, box.y))})`;
        element.setAttribute("transform", at);
        view.title?.setAttribute("transform", at);
        resize(element, w, h);
      }
      const opacity = leaving ? 1 - part : Math.min(1, part * 1.4);
      for (const one of view.title ? [element, view.title] : [element]) {
        if (!leaving && one.style.opacity === "") continue;
        one.style.opacity = part >= 1 && !leaving ? "" : String(round(opacity));
      }
    }
    const { direction } = this.picture;
    for (const view of this.edges.values()) {
      const sample = samples?.get(view);
      const points =
        part < 1 && sample ? between(sample.from, sample.to, part) : view.placed.points;
      const path = pathThrough(points, direction);
      view.path.setAttribute("d", path);
      view.hit.setAttribute("d", path);
      const opacity = part >= 1 ? "" : String(round(Math.max(0, part * 2 - 1)));
      if (view.element.style.opacity !== "") view.element.style.opacity = opacity;
      if (view.label) {
        if (view.label.style.opacity !== "") view.label.style.opacity = opacity;
        const { x, y } = view.placed.label;
        view.label.setAttribute("transform", `translate(${round(x)} ${round(y)})`);
      }
    }
  }

  private removeLeaving(): void {
    for (const [key, view] of this.boxes) {
      if (!view.leaving) {
        view.from = view.box;
        continue;
      }
      view.element.remove();
      view.title?.remove();
      this.boxes.delete(key);
    }
  }

  boxOf(item: number): BoxView | undefined {
    return this.boxes.get(`box${item}`) ?? this.boxes.get(`around${item}`);
  }
}

function rectOf({ x, y, w, h }: Rect): Rect {
  return { x, y, w, h };
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}

/** A shape of one dimension is bracketed: it would look like a count. */
function shapeLabel(shape: string): string {
  return /^\d+$/.test(shape) ? `(${shape})` : shape;
}

/** One sentence about an item, for screen readers and tooltips. */
export function describe(state: State, item: number): string {
  const { graph, fold } = state;
  if (fold.isGroup(item)) {
    const group = fold.group(item);
    const repeats = group.repeats > 1 ? `, repeated ${group.repeats} times` : "";
    return `${group.label}: group of ${plural(fold.countOf(item), "node")}${repeats}`;
  }
  const parts = [graph.title(item)];
  const operator = graph.operator(item);
  if (operator && operator !== parts[0]) parts.push(operator);
  if (graph.kind[item] === 1) parts.push("variable");
  if (graph.shape(item)) parts.push(graph.shape(item));
  return parts.join(", ");
}
