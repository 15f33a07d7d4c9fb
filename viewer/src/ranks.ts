// Ranks of a layered drawing: inputs of a group on its upper border, every operator below what it
// uses, and a variable right above its first user instead of far above it.
import type { graphlib } from "@dagrejs/dagre";

/** Sets `rank` on every node of an acyclic graph, as dagre asks of a ranker. */
export function rankNodes(graph: graphlib.Graph): void {
  const order = topological(graph);
  const rank = new Map<string, number>();
  for (const name of order) {
    let lowest = 0;
    for (const edge of graph.inEdges(name) ?? []) {
      lowest = Math.max(lowest, rank.get(edge.v)! + graph.edge(edge).minlen);
    }
    rank.set(name, lowest);
  }
  let bottom = 0;
  for (const value of rank.values()) bottom = Math.max(bottom, value);
  for (const name of order.reverse()) {
    const label = graph.node(name);
    // dagre's own root node holds the parts of the graph together; its lines are not drawn.
    const into = (graph.inEdges(name) ?? []).filter((edge) => !graph.node(edge.v).dummy);
    const out = graph.outEdges(name) ?? [];
    if (label.border === "out") rank.set(name, bottom);
    // Moving down shortens at least as many lines as it lengthens.
    if (label.border || label.dummy || out.length === 0 || into.length > out.length) continue;
    let limit = Infinity;
    for (const edge of out) limit = Math.min(limit, rank.get(edge.w)! - graph.edge(edge).minlen);
    rank.set(name, Math.max(rank.get(name)!, limit));
  }
  for (const name of order) graph.node(name).rank = rank.get(name)!;
}

/** Kahn's order; dagre has made the graph acyclic before it ranks. */
function topological(graph: graphlib.Graph): string[] {
  const waiting = new Map<string, number>();
  const order: string[] = [];
  for (const name of graph.nodes()) {
    const count = graph.inEdges(name)?.length ?? 0;
    waiting.set(name, count);
    if (count === 0) order.push(name);
  }
  for (let at = 0; at < order.length; at++) {
    for (const edge of graph.outEdges(order[at]!) ?? []) {
      const left = waiting.get(edge.w)! - 1;
      waiting.set(edge.w, left);
      if (left === 0) order.push(edge.w);
    }
  }
  return order;
}
