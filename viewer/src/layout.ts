// Positions: dagre lays out one group at a time, from the inside out, so unfolding a group costs
// only that group and those around it, and every group is a box of its own.
import { graphlib, layout as dagreLayout } from "@dagrejs/dagre";
import { rankNodes } from "./ranks";
import type { Level, LevelEdge, Port } from "./scene";
import { straighten, type Element, type Link } from "./straighten";
import { untangle } from "./untangle";

export type Direction = "down" | "right";

export interface Point {
  x: number;
  y: number;
}

export interface Rect {
  x: number;
  y: number;
  w: number;
  h: number;
}

/** Size of a box, and the circle or rectangle inside it that lines attach to. */
export interface Extent {
  w: number;
  h: number;
  /** The body that lines end at, relative to the upper left corner. */
  body: Rect;
  round: boolean;
}

export interface PlacedBox extends Rect {
  item: number;
  depth: number;
  unfolded: boolean;
}

export interface PlacedEdge {
  key: string;
  edge: LevelEdge;
  points: Point[];
  /** Where a label stands, if one fits. */
  label: Point;
  /** The line ends at a box (an arrow), not at the border of a group. */
  arrow: boolean;
}

export interface Picture {
  boxes: PlacedBox[];
  edges: PlacedEdge[];
  bounds: Rect;
  direction: Direction;
}

export interface Measure {
  extent(item: number): Extent;
  label(edge: LevelEdge): { w: number; h: number } | null;
  /** Room that the title of an unfolded group needs. */
  title(group: number): number;
  /** Lines to the next rank are straight, as in a figure. */
  straight: boolean;
}

const PADDING = 18;
const HEADER = 34;
const NODE_GAP = 26;
const LINE_GAP = 16;
/** dagre leaves a whole rank's room between a border and what it leads to: this much is cut. */
const BORDER_CUT = 26;

interface LevelLayout {
  w: number;
  h: number;
  items: Map<number, Rect>;
  edges: { edge: LevelEdge; points: Point[]; label: Point }[];
  ports: Map<string, Point>;
  children: Map<number, LevelLayout>;
}

const cache = new Map<string, LevelLayout>();

/** Forgets remembered layouts: when the graph, the fold or the sizes of boxes change. */
export function forgetLayouts(): void {
  cache.clear();
}

/** The picture of a tree of levels, in absolute coordinates. */
export function place(level: Level, direction: Direction, measure: Measure): Picture {
  const root = layoutLevel(level, direction, measure, true);
  const picture: Picture = {
    boxes: [],
    edges: [],
    bounds: { x: 0, y: 0, w: root.w, h: root.h },
    direction,
  };
  flatten(level, root, { x: 0, y: 0 }, 0, picture);
  return picture;
}

function signature(level: Level, direction: Direction): string {
  const children = [...level.children.values()].map((child) => signature(child, direction));
  const ports = level.ports.map((port) => port.key);
  return `${direction}${level.group}[${ports.join()}](${children.join()})`;
}

function layoutLevel(
  level: Level,
  direction: Direction,
  measure: Measure,
  top: boolean,
): LevelLayout {
  const key = signature(level, direction);
  const known = cache.get(key);
  if (known) return known;
  const children = new Map<number, LevelLayout>();
  for (const [item, child] of level.children) {
    children.set(item, layoutLevel(child, direction, measure, false));
  }
  const graph = arrange(level, children, direction, measure);
  tidy(graph, level, children, direction, measure);
  const result = read(graph, level, children, direction, top, measure);
  if (cache.size > 400) cache.clear();
  cache.set(key, result);
  return result;
}

/** dagre's layout of one level. */
function arrange(
  level: Level,
  children: Map<number, LevelLayout>,
  direction: Direction,
  measure: Measure,
): graphlib.Graph {
  const graph = new graphlib.Graph({ multigraph: true });
  graph.setGraph({
    rankdir: direction === "down" ? "TB" : "LR",
    nodesep: NODE_GAP,
    edgesep: LINE_GAP,
    ranksep: direction === "right" ? 56 : measure.straight ? 72 : 44,
    ranker: rankNodes,
  } as object);
  for (const item of level.items) {
    const { w, h } = children.get(item) ?? measure.extent(item);
    graph.setNode(String(item), { width: w, height: h });
  }
  for (const port of level.ports) {
    graph.setNode(port.key, { width: 1, height: 1, border: port.side });
  }
  for (const edge of level.edges) {
    const label = measure.label(edge);
    graph.setEdge(
      end(edge.from),
      end(edge.to),
      { width: label?.w ?? 0, height: label?.h ?? 0, labelpos: "c", weight: weight(edge) },
      edge.key,
    );
  }
  dagreLayout(graph, {
    customOrder(layers, order) {
      order(layers, {});
      untangle(layers);
    },
  });
  return graph;
}

/** Lines of many edges are kept straighter. */
function weight(edge: LevelEdge): number {
  return 1 + Math.min(3, Math.log2(edge.raw.length));
}

interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** Straightens what dagre has placed, and moves everything to start at zero. */
function tidy(
  graph: graphlib.Graph,
  level: Level,
  children: Map<number, LevelLayout>,
  direction: Direction,
  measure: Measure,
): void {
  const down = direction === "down";
  const elements: Element[] = [];
  const moved: { point: Point; half: number }[] = [];
  const places = new Map<string, number>();
  const add = (point: Point, half: number, gap: number): number => {
    const rank = Math.round((down ? point.y : point.x) * 4);
    moved.push({ point, half });
    return elements.push({ rank, at: down ? point.x : point.y, half, gap }) - 1;
  };
  for (const name of graph.nodes()) {
    const box = graph.node(name) as unknown as Box;
    places.set(name, add(box, (down ? box.width : box.height) / 2, NODE_GAP));
  }
  const offset = (endpoint: number | Port, port: Port | null): number => {
    if (typeof endpoint !== "number") return 0;
    const child = children.get(endpoint);
    const inside = port && child?.ports.get(port.key);
    if (child) return inside ? (down ? inside.x - child.w / 2 : inside.y - child.h / 2) : 0;
    const { body, w, h } = measure.extent(endpoint);
    return down ? body.x + body.w / 2 - w / 2 : body.y + body.h / 2 - h / 2;
  };
  const links: Link[] = [];
  for (const edge of level.edges) {
    const found = graph.edge(end(edge.from), end(edge.to), edge.key);
    const inner = (found.points as Point[]).slice(1, -1);
    // A variable's own line should not bend the path from the inputs to the loss.
    const minor = typeof edge.from === "number" && !graph.inEdges(String(edge.from))?.length;
    const weight = Math.min(50, Math.sqrt(edge.raw.length)) * (minor ? 0.3 : 1);
    let last = places.get(end(edge.from))!;
    let offsetA = offset(edge.from, edge.fromPort);
    for (const point of inner) {
      const labelled = found.width && Math.abs(point.x - found.x) + Math.abs(point.y - found.y) < 1;
      const half = labelled ? (down ? found.width : found.height) / 2 : 0;
      const passing = add(point, half, LINE_GAP);
      if (labelled) Object.assign(found, { labelPoint: point });
      // Between two passed ranks a line should not bend at all.
      const stiff = last >= places.size ? 4 : 1;
      links.push({ a: last, b: passing, weight: weight * stiff, offsetA, offsetB: 0 });
      last = passing;
      offsetA = 0;
    }
    const offsetB = offset(edge.to, edge.toPort);
    links.push({ a: last, b: places.get(end(edge.to))!, weight, offsetA, offsetB });
  }
  if (!measure.straight) straighten(elements, links);
  let first = Infinity;
  let final = -Infinity;
  for (const { at, half } of elements) {
    first = Math.min(first, at - half);
    final = Math.max(final, at + half);
  }
  elements.forEach(({ at }, index) => {
    const { point } = moved[index]!;
    if (down) point.x = at - first;
    else point.y = at - first;
  });
  const size = graph.graph() as { width?: number; height?: number };
  if (down) size.width = final - first;
  else size.height = final - first;
}

function end(endpoint: number | Port): string {
  return typeof endpoint === "number" ? String(endpoint) : endpoint.key;
}

function read(
  graph: graphlib.Graph,
  level: Level,
  children: Map<number, LevelLayout>,
  direction: Direction,
  top: boolean,
  measure: Measure,
): LevelLayout {
  const down = direction === "down";
  const size = graph.graph() as { width?: number; height?: number };
  const inner = { w: size.width ?? 0, h: size.height ?? 0 };
  const before = spare(graph, level, "in", down);
  const cut = before + spare(graph, level, "out", down);
  const room = { w: inner.w - (down ? 0 : cut), h: inner.h - (down ? cut : 0) };
  const w = top ? room.w : Math.max(room.w + 2 * PADDING, measure.title(level.group));
  const h = room.h + (top ? 0 : HEADER + PADDING);
  // A narrow group is widened for its title; its members stay in the middle.
  const dx = (w - room.w) / 2 - (down ? 0 : before);
  const dy = (top ? 0 : HEADER) - (down ? before : 0);
  const shift = (point: Point): Point => ({ x: point.x + dx, y: point.y + dy });
  const items = new Map<number, Rect>();
  for (const item of level.items) {
    const node = graph.node(String(item));
    const at = shift({ x: node.x - node.width / 2, y: node.y - node.height / 2 });
    items.set(item, { x: at.x, y: at.y, w: node.width, h: node.height });
  }
  const ports = new Map<string, Point>();
  for (const port of level.ports) {
    const at = shift(graph.node(port.key) as Point);
    const far = port.side === "out";
    ports.set(port.key, down ? { x: at.x, y: far ? h : 0 } : { x: far ? w : 0, y: at.y });
  }
  const edges = level.edges.map((edge) => {
    const found = graph.edge(end(edge.from), end(edge.to), edge.key);
    const inner = (found.points as Point[]).slice(1, -1).map(shift);
    const attach = (endpoint: number | Port, port: Port | null, toward: Point, far: boolean) => {
      if (typeof endpoint !== "number") return ports.get(endpoint.key)!;
      const rect = items.get(endpoint)!;
      const child = children.get(endpoint);
      const inside = port && child?.ports.get(port.key);
      if (inside) return { x: rect.x + inside.x, y: rect.y + inside.y };
      return attachTo(rect, measure.extent(endpoint), toward, far, direction);
    };
    const straight = measure.straight && inner.length === 1 && !edge.fromPort && !edge.toPort;
    const middleOfBox = (endpoint: number | Port): Point => {
      if (typeof endpoint !== "number") return ports.get(endpoint.key)!;
      const { x, y } = items.get(endpoint)!;
      const { body } = measure.extent(endpoint);
      return { x: x + body.x + body.w / 2, y: y + body.y + body.h / 2 };
    };
    const toward = straight
      ? [middleOfBox(edge.to), middleOfBox(edge.from)]
      : [inner[0]!, inner.at(-1)!];
    const first = attach(edge.from, edge.fromPort, toward[0]!, true);
    const last = attach(edge.to, edge.toPort, toward[1]!, false);
    if (straight) return { edge, points: [first, last], label: along(first, last, 0.4) };
    const label = shift(
      (found.labelPoint as Point | undefined) ?? middleOf(found.points as Point[]),
    );
    return { edge, points: [first, ...inner, last], label };
  });
  return { w, h, items, edges, ports, children };
}

function along(from: Point, to: Point, part: number): Point {
  return { x: from.x + (to.x - from.x) * part, y: from.y + (to.y - from.y) * part };
}

/** Room that can be cut between a border and the boxes next to it. */
function spare(graph: graphlib.Graph, level: Level, side: "in" | "out", down: boolean): number {
  if (!level.ports.some((port) => port.side === side)) return 0;
  const size = graph.graph() as { width?: number; height?: number };
  const far = (down ? size.height : size.width) ?? 0;
  let room = far;
  for (const item of level.items) {
    const { x, y, width, height } = graph.node(String(item)) as unknown as Box;
    const [middle, half] = down ? [y, height / 2] : [x, width / 2];
    room = Math.min(room, side === "in" ? middle - half : far - middle - half);
  }
  return Math.max(0, Math.min(BORDER_CUT, room - NODE_GAP / 2));
}

function middleOf(points: Point[]): Point {
  return points[Math.floor(points.length / 2)]!;
}

/** The point of a box where a line from `toward` ends: on its circle, or spread along its side. */
function attachTo(
  rect: Rect,
  extent: Extent,
  toward: Point,
  far: boolean,
  direction: Direction,
): Point {
  const body = extent.body;
  const x = rect.x + body.x + body.w / 2;
  const y = rect.y + body.y + body.h / 2;
  if (extent.round) {
    const away = Math.hypot(toward.x - x, toward.y - y) || 1;
    const radius = body.w / 2 + (far ? 0 : 1.5);
    return { x: x + ((toward.x - x) / away) * radius, y: y + ((toward.y - y) / away) * radius };
  }
  const spread = (delta: number, room: number): number =>
    Math.max(-room, Math.min(room, delta * 0.35));
  const sign = far ? 1 : -1;
  return direction === "down"
    ? { x: x + spread(toward.x - x, Math.max(0, body.w / 2 - 14)), y: y + (sign * body.h) / 2 }
    : { x: x + (sign * body.w) / 2, y: y + spread(toward.y - y, Math.max(0, body.h / 2 - 8)) };
}

function flatten(
  level: Level,
  layout: LevelLayout,
  origin: Point,
  depth: number,
  picture: Picture,
): void {
  const move = (point: Point): Point => ({ x: point.x + origin.x, y: point.y + origin.y });
  for (const [item, rect] of layout.items) {
    const at = move(rect);
    const child = layout.children.get(item);
    picture.boxes.push({ item, depth, unfolded: !!child, x: at.x, y: at.y, w: rect.w, h: rect.h });
    if (child) flatten(level.children.get(item)!, child, at, depth + 1, picture);
  }
  // The cached layout may have been made from an equal, older level: take the edges of this one.
  const current = new Map(level.edges.map((edge) => [edge.key, edge]));
  for (const { edge, points, label } of layout.edges) {
    const now = current.get(edge.key) ?? edge;
    picture.edges.push({
      key: now.key,
      edge: now,
      points: points.map(move),
      label: move(label),
      arrow: typeof now.to === "number" && !now.toPort,
    });
  }
}
