// What is seen of a fold: the tree of unfolded groups, and the edges at each of its levels.
import type { Fold } from "./folds";

/** Where edges cross the border of an unfolded group. */
export interface Port {
  key: string;
  side: "in" | "out";
  raw: number[];
}

export type Endpoint = number | Port;

/** Edges of the graph drawn as one line, between two members (or borders) of one group. */
export interface LevelEdge {
  key: string;
  from: Endpoint;
  to: Endpoint;
  raw: number[];
  /** Ports that continue this line inside an unfolded end. */
  fromPort: Port | null;
  toPort: Port | null;
}

export interface Level {
  group: number;
  items: number[];
  edges: LevelEdge[];
  ports: Port[];
  children: Map<number, Level>;
  /** Edges of the graph that get no line here: too many lines would tell nothing. */
  quiet: number[];
}

/** More crossings than this on one side of a group share a port. */
const MAX_PORTS = 10;
/** What leads to more members than this keeps the lines to the nearest few. */
const MAX_FAN = 6;
const FAN_KEPT = 2;
/** Lines of a level: this many, or this many for each member. */
const MIN_LINES = 40;
const LINES_EACH = 2;
/** Ranks that all lines of a level pass together. */
const MIN_REACH = 160;
const REACH_EACH = 4;
/** More parallel edges between two nodes than this are drawn as one. */
const MAX_PARALLEL = 4;

function endpointKey(end: Endpoint): string {
  return typeof end === "number" ? String(end) : end.key;
}

/** The levels below (and with) `group`, given which groups are unfolded. */
export function buildLevel(
  fold: Fold,
  group: number,
  unfolded: ReadonlySet<number>,
  ports: Port[] = [],
): Level {
  const { source, target } = fold.graph;
  const items = fold.members(group);
  const level: Level = { group, items, edges: [], ports, children: new Map(), quiet: [] };
  const merged = new Map<string, LevelEdge>();
  const add = (from: Endpoint, to: Endpoint, edge: number): void => {
    let key = `${endpointKey(from)}>${endpointKey(to)}`;
    const known = merged.get(key);
    const single =
      typeof from === "number" &&
      typeof to === "number" &&
      !fold.isGroup(from) &&
      !fold.isGroup(to);
    if (known && single && parallel(merged, key) < MAX_PARALLEL) {
      key = `${key}#${parallel(merged, key)}`;
    } else if (known) {
      known.raw.push(edge);
      return;
    }
    merged.set(key, {
      key: `${group}:${key}`,
      from,
      to,
      raw: [edge],
      fromPort: null,
      toPort: null,
    });
  };
  for (const edge of fold.edgesAt(group)) {
    add(fold.memberOf(source[edge]!, group), fold.memberOf(target[edge]!, group), edge);
  }
  for (const port of ports) {
    for (const edge of port.raw) {
      if (port.side === "in") add(port, fold.memberOf(target[edge]!, group), edge);
      else add(fold.memberOf(source[edge]!, group), port, edge);
    }
  }
  level.edges = thin(level, [...merged.values()]);
  for (const item of items) {
    if (!fold.isGroup(item) || !unfolded.has(item)) continue;
    const inner = [
      ...portsOf(
        level.edges.filter((edge) => edge.to === item),
        item,
        "in",
      ),
      ...portsOf(
        level.edges.filter((edge) => edge.from === item),
        item,
        "out",
      ),
    ];
    level.children.set(item, buildLevel(fold, item - fold.graph.size, unfolded, inner));
  }
  return level;
}

/** Leaves out lines until a picture can be read; what is left out goes to `level.quiet`. */
function thin(level: Level, edges: LevelEdge[]): LevelEdge[] {
  const order = new Map(level.items.map((item, index) => [item as Endpoint, index]));
  const quiet = new Set<LevelEdge>();
  const place = (end: Endpoint, border: number): number => order.get(end) ?? border;
  const span = (edge: LevelEdge): number =>
    Math.max(1, place(edge.to, level.items.length) - place(edge.from, -1));
  const sorted = [...edges].sort((a, b) => span(a) - span(b));
  const arriving = new Map<Endpoint, number>();
  for (const edge of edges) arriving.set(edge.to, (arriving.get(edge.to) ?? 0) + 1);
  const fans = new Map<Endpoint, number>();
  for (const edge of edges) fans.set(edge.from, (fans.get(edge.from) ?? 0) + 1);
  const drawn = new Map<Endpoint, number>();
  for (const edge of sorted) {
    const lines = drawn.get(edge.from) ?? 0;
    // What reaches a box only by this line keeps it.
    const only = arriving.get(edge.to) === 1;
    if (fans.get(edge.from)! > MAX_FAN && lines >= FAN_KEPT && !only) {
      quiet.add(edge);
      arriving.set(edge.to, arriving.get(edge.to)! - 1);
    } else drawn.set(edge.from, lines + 1);
  }
  const rest = sorted.filter((edge) => !quiet.has(edge));
  const ends = level.items.length + level.ports.length;
  const limit = Math.max(MIN_LINES, LINES_EACH * ends);
  const reach = Math.max(MIN_REACH, REACH_EACH * ends);
  const out = new Set<Endpoint>();
  const into = new Set<Endpoint>();
  const spare: LevelEdge[] = [];
  let kept = 0;
  let reached = 0;
  // Every box keeps its shortest line on either side; the shortest of the rest fill up.
  for (const edge of rest) {
    const needed = !out.has(edge.from) || !into.has(edge.to);
    out.add(edge.from);
    into.add(edge.to);
    if (!needed) {
      spare.push(edge);
      continue;
    }
    kept++;
    reached += span(edge);
  }
  for (const edge of spare) {
    kept++;
    reached += span(edge);
    if (kept > limit || reached > reach) quiet.add(edge);
  }
  if (!quiet.size) return edges;
  for (const edge of quiet) for (const raw of edge.raw) level.quiet.push(raw);
  return edges.filter((edge) => !quiet.has(edge));
}

/** The edges without a line on all levels. */
export function quietEdges(level: Level): number[] {
  const found = [...level.quiet];
  for (const child of level.children.values()) found.push(...quietEdges(child));
  return found;
}

function parallel(merged: Map<string, LevelEdge>, key: string): number {
  let count = 1;
  while (merged.has(`${key}#${count}`)) count++;
  return count;
}

function portsOf(edges: LevelEdge[], item: number, side: "in" | "out"): Port[] {
  const ports: Port[] = [];
  const share = edges.length > MAX_PORTS;
  for (const edge of edges) {
    let port = share ? ports[0] : undefined;
    if (!port) {
      const other = side === "in" ? edge.from : edge.to;
      port = { key: `${side}${item}/${share ? "all" : endpointKey(other)}`, side, raw: [] };
      ports.push(port);
    }
    for (const raw of edge.raw) port.raw.push(raw);
    if (side === "in") edge.toPort = port;
    else edge.fromPort = port;
  }
  return ports;
}

/** Items drawn as boxes: all but the unfolded groups themselves. */
export function countBoxes(level: Level): number {
  let boxes = level.items.length - level.children.size;
  for (const child of level.children.values()) boxes += countBoxes(child);
  return boxes;
}

/** The drawn item that is, or hides, `node`. */
export function visibleItem(fold: Fold, unfolded: ReadonlySet<number>, node: number): number {
  const groups = fold.ancestors(node);
  for (const group of groups) {
    const item = fold.groupItem(group);
    if (!unfolded.has(item)) return item;
  }
  return node;
}
