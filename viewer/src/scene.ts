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
}

/** More crossings than this on one side of a group share a port. */
const MAX_PORTS = 10;
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
  const level: Level = { group, items, edges: [], ports, children: new Map() };
  const merged = new Map<string, LevelEdge>();
  const add = (from: Endpoint, to: Endpoint, edge: number): void => {
    let key = `${endpointKey(from)}>${endpointKey(to)}`;
    const known = merged.get(key);
    const single = typeof from === "number" && typeof to === "number" &&
      !fold.isGroup(from) && !fold.isGroup(to);
    if (known && single && parallel(merged, key) < MAX_PARALLEL) {
      key = `${key}#${parallel(merged, key)}`;
    } else if (known) {
      known.raw.push(edge);
      return;
    }
    merged.set(key, { key: `${group}:${key}`, from, to, raw: [edge], fromPort: null, toPort: null });
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
  level.edges = [...merged.values()];
  for (const item of items) {
    if (!fold.isGroup(item) || !unfolded.has(item)) continue;
    const inner = [
      ...portsOf(level.edges.filter((edge) => edge.to === item), item, "in"),
      ...portsOf(level.edges.filter((edge) => edge.from === item), item, "out"),
    ];
    level.children.set(item, buildLevel(fold, item - fold.graph.size, unfolded, inner));
  }
  return level;
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
