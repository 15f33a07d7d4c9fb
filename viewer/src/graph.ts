// One graph over its columns: nodes are numbers, inputs come before users.
import type { GraphData, Num, Summary } from "./payload";

export const OPERATOR = 0;
export const LEAF = 1;
export const CONSTANT = 2;

/** Edges by one of their ends: those of node n are list[start[n]] … list[start[n + 1] - 1]. */
interface Incidence {
  start: Int32Array;
  list: Int32Array;
}

function incidence(ends: Int32Array, nodes: number): Incidence {
  const start = new Int32Array(nodes + 1);
  for (const node of ends) start[node + 1]!++;
  for (let node = 0; node < nodes; node++) start[node + 1]! += start[node]!;
  const next = start.slice(0, nodes);
  const list = new Int32Array(ends.length);
  for (let edge = 0; edge < ends.length; edge++) list[next[ends[edge]!]!++] = edge;
  return { start, list };
}

export class Graph {
  readonly size: number;
  readonly edgeCount: number;
  readonly kind: Int32Array;
  readonly source: Int32Array;
  readonly target: Int32Array;
  readonly order: Int32Array;
  readonly bytes: Float64Array;
  readonly roots: number[];
  readonly isRoot: Set<number>;
  /** Nodes in the engine's order: byOrder[0] gets its gradient first. */
  readonly byOrder: Int32Array;
  private into: Incidence | null = null;
  private out: Incidence | null = null;

  constructor(readonly data: GraphData) {
    this.size = data.nodes.kind.length;
    this.edgeCount = data.edges.source.length;
    this.kind = Int32Array.from(data.nodes.kind);
    this.source = Int32Array.from(data.edges.source);
    this.target = Int32Array.from(data.edges.target);
    this.order = Int32Array.from(data.nodes.order);
    this.bytes = Float64Array.from(data.nodes.bytes);
    this.roots = data.roots;
    this.isRoot = new Set(data.roots);
    const ordered: number[] = [];
    for (let node = 0; node < this.size; node++) if (this.order[node]! >= 0) ordered.push(node);
    ordered.sort((a, b) => this.order[a]! - this.order[b]!);
    this.byOrder = Int32Array.from(ordered);
  }

  text(index: number | undefined): string {
    return index === undefined || index < 0 ? "" : (this.data.strings[index] ?? "");
  }

  operator = (node: number): string => this.text(this.data.nodes.op[node]);
  symbol = (node: number): string => this.text(this.data.nodes.symbol[node]);
  name = (node: number): string => this.text(this.data.nodes.name[node]);
  variable = (node: number): string => this.text(this.data.nodes.variable[node]);
  shape = (node: number): string => this.text(this.data.nodes.shape[node]);
  dtype = (node: number): string => this.text(this.data.nodes.dtype[node]);
  file = (node: number): string => this.text(this.data.nodes.file[node]);
  line = (node: number): number => this.data.nodes.line[node] ?? 0;
  function = (node: number): string => this.text(this.data.nodes.function[node]);
  expression = (node: number): string => this.text(this.data.nodes.expression[node]);

  operands(node: number): string[] {
    return (this.data.nodes.operand?.[node] ?? []).map((index) => this.text(index));
  }

  formulas(node: number): string[] {
    return (this.data.nodes.formula[node] ?? []).map((index) => this.text(index));
  }

  modulePath(node: number): string {
    return this.text(this.data.modules[this.data.nodes.module[node] ?? -1]?.path);
  }

  moduleType(node: number): string {
    return this.text(this.data.modules[this.data.nodes.module[node] ?? -1]?.type);
  }

  /** "train.py:12", or "" where no line is known. */
  location(node: number): string {
    const line = this.line(node);
    return line > 0 ? `${basename(this.file(node))}:${line}` : "";
  }

  sourceLine(node: number): string {
    const file = this.data.nodes.file[node] ?? -1;
    return this.data.sources[String(file)]?.[String(this.line(node))] ?? "";
  }

  /** What a person calls the node: its variable, else its operator. */
  title(node: number): string {
    return this.variable(node) || this.operator(node) || this.name(node) || "saved input";
  }

  summary(index: number | undefined): Summary | null {
    return index === undefined || index < 0 ? null : (this.data.summaries[index] ?? null);
  }

  local(edge: number): Num {
    return this.data.edges.local[edge] ?? null;
  }

  input(edge: number): number {
    return this.data.edges.input[edge] ?? 0;
  }

  inputEdges(node: number): Int32Array {
    this.into ??= incidence(this.target, this.size);
    return this.into.list.subarray(this.into.start[node]!, this.into.start[node + 1]!);
  }

  userEdges(node: number): Int32Array {
    this.out ??= incidence(this.source, this.size);
    return this.out.list.subarray(this.out.start[node]!, this.out.start[node + 1]!);
  }

  /** Marks every node on a path from one of `nodes` to a root; all that uses them is on one. */
  pathsToLoss(nodes: Iterable<number>): Uint8Array {
    const lit = new Uint8Array(this.size);
    const stack: number[] = [];
    for (const node of nodes) {
      if (!lit[node]) stack.push(node);
      lit[node] = 1;
    }
    while (stack.length) {
      for (const edge of this.userEdges(stack.pop()!)) {
        const user = this.target[edge]!;
        if (!lit[user]) {
          lit[user] = 1;
          stack.push(user);
        }
      }
    }
    return lit;
  }

  /** Operators on the longest path: inputs stand before users, so one pass is enough. */
  depth(): number {
    const depth = new Int32Array(this.size);
    let deepest = 0;
    for (let node = 0; node < this.size; node++) {
      let above = 0;
      for (const edge of this.inputEdges(node)) {
        above = Math.max(above, depth[this.source[edge]!]!);
      }
      depth[node] = above + (this.kind[node] === OPERATOR ? 1 : 0);
      deepest = Math.max(deepest, depth[node]!);
    }
    return deepest;
  }
}

export function basename(path: string): string {
  return path.slice(Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")) + 1);
}
