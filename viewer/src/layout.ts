// Positions: dagre lays out one group at a time, from the inside out, so unfolding a group costs
// only that group and those around it, and every group is a box of its own.
import { graphlib, layout as dagreLayout } from "@dagrejs/dagre";
import { rankNodes } from "./ranks";
import type { Level, LevelEdge, Port } from "./scene";

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
}

const PADDING = 18;
const HEADER = 34;

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
  const graph = new graphlib.Graph({ multigraph: true });
  graph.setGraph({
    rankdir: direction === "down" ? "TB" : "LR",
    nodesep: 26,
    edgesep: 16,
    ranksep: direction === "down" ? 44 : 56,
    ranker: rankNodes,
  } as object);
  for (const item of level.items) {
    const child = children.get(item);
    const { w, h } = child ?? measure.extent(item);
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
  dagreLayout(graph);
  const result = read(graph, level, children, direction, top, measure);
  if (cache.size > 400) cache.clear();
  cache.set(key, result);
  return result;
}

/** Lines of many edges are kept straighter. */
function weight(edge: LevelEdge): number {
  return 1 + Math.min(3, Math.log2(edge.raw.length));
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
  const dx = top ? 0 : PADDING;
  const dy = top ? 0 : HEADER;
  const size = graph.graph() as { width?: number; height?: number };
  const w = Math.max((size.width ?? 0) + 2 * dx, top ? 0 : 150);
  const h = (size.height ?? 0) + dy + dx;
  const items = new Map<number, Rect>();
  // A narrow group is widened for its title; its members stay in the middle.
  const centre = (w - (size.width ?? 0)) / 2;
  const shift = (point: Point): Point => ({ x: point.x + centre, y: point.y + dy });
  for (const item of level.items) {
    const node = graph.node(String(item));
    const at = shift({ x: node.x - node.width / 2, y: node.y - node.height / 2 });
    items.set(item, { x: at.x, y: at.y, w: node.width, h: node.height });
  }
  const ports = new Map<string, Point>();
  for (const port of level.ports) {
    const at = shift(graph.node(port.key) as Point);
    const far = port.side === "out";
    ports.set(
      port.key,
      direction === "down" ? { x: at.x, y: far ? h : 0 } : { x: far ? w : 0, y: at.y },
    );
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
    const first = attach(edge.from, edge.fromPort, inner[0]!, true);
    const last = attach(edge.to, edge.toPort, inner[inner.length - 1]!, false);
    const middle = inner[Math.floor(inner.length / 2)]!;
    const label = found.width ? shift(found as Point) : middle;
    return { edge, points: [first, ...inner, last], label };
  });
  return { w, h, items, edges, ports, children };
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
