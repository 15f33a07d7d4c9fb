// Removes crossings that dagre's search has left in a small drawing: the same search, barycentres
// up and down, from several other starts. A level of a fold is small, so this costs little.
import type { graphlib } from "@dagrejs/dagre";

const MOST_NODES = 160;
const STARTS = 10;
const SWEEPS = 10;

/** Improves the `order` of every node inside its rank; never makes it worse. */
export function untangle(graph: graphlib.Graph): void {
  const layers = readLayers(graph);
  const size = layers.reduce((sum, layer) => sum + layer.length, 0);
  if (size > MOST_NODES) return;
  let best = layers;
  let least = crossings(graph, best);
  for (let start = 0; start < STARTS && least > 0; start++) {
    const current = shuffled(layers, start + 1);
    for (let sweep = 0; sweep < SWEEPS && least > 0; sweep++) {
      sortLayers(graph, current, sweep % 2 === 0);
      const count = crossings(graph, current);
      if (count < least) {
        least = count;
        best = current.map((layer) => [...layer]);
      }
    }
  }
  for (const layer of best) layer.forEach((name, order) => (graph.node(name).order = order));
}

function readLayers(graph: graphlib.Graph): string[][] {
  const layers: string[][] = [];
  for (const name of graph.nodes()) {
    const rank = graph.node(name).rank as number | undefined;
    if (rank !== undefined) (layers[rank] ??= []).push(name);
  }
  for (let rank = 0; rank < layers.length; rank++) layers[rank] ??= [];
  for (const layer of layers) layer.sort((a, b) => graph.node(a).order - graph.node(b).order);
  return layers;
}

/** The same shuffles every time: a page looks the same whenever it is opened. */
function shuffled(layers: string[][], seed: number): string[][] {
  let state = seed * 2654435761;
  const random = (below: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 4294967296) * below);
  };
  return layers.map((layer) => {
    const copy = [...layer];
    for (let at = copy.length - 1; at > 0; at--) {
      const other = random(at + 1);
      [copy[at], copy[other]] = [copy[other]!, copy[at]!];
    }
    return copy;
  });
}

function sortLayers(graph: graphlib.Graph, layers: string[][], down: boolean): void {
  const place = new Map<string, number>();
  const note = (layer: string[]): void => layer.forEach((name, order) => place.set(name, order));
  const list = down ? layers : [...layers].reverse();
  note(list[0] ?? []);
  for (const layer of list.slice(1)) {
    const middle = new Map<string, number>();
    layer.forEach((name, order) => {
      const edges = (down ? graph.inEdges(name) : graph.outEdges(name)) ?? [];
      let sum = 0;
      for (const edge of edges) sum += place.get(down ? edge.v : edge.w) ?? order;
      middle.set(name, edges.length ? sum / edges.length : order);
    });
    layer.sort((a, b) => middle.get(a)! - middle.get(b)!);
    note(layer);
  }
}

function crossings(graph: graphlib.Graph, layers: string[][]): number {
  let count = 0;
  for (let rank = 0; rank + 1 < layers.length; rank++) {
    const below = new Map(layers[rank + 1]!.map((name, order) => [name, order]));
    const ends: number[] = [];
    for (const name of layers[rank]!) {
      const targets: number[] = [];
      for (const edge of graph.outEdges(name) ?? []) targets.push(below.get(edge.w) ?? 0);
      for (const target of targets) for (const end of ends) if (end > target) count++;
      ends.push(...targets);
    }
  }
  return count;
}
