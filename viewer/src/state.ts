// What the page shows now. Everything that changes it goes through a method here, and every view
// listens for the kinds of change it draws.
import { Fold } from "./folds";
import { Graph } from "./graph";
import { forgetLayouts, type Direction } from "./layout";
import type { FoldName, Payload, StepData, Summary } from "./payload";
import { buildLevel, countBoxes, visibleItem, type Level } from "./scene";

export type FoldChoice = FoldName | "none";
export type Change = "scene" | "selection" | "values" | "highlight" | "backward";

/** More boxes than this are never drawn; the group unfolded longest ago folds again. */
export const MAX_BOXES = 320;
/** Graphs up to this size are drawn like the figures of a textbook. */
export const FIGURE = 40;
/** Graphs up to this size can be shown without folds. */
const UNFOLDED = 150;
/** Groups open by themselves while the first picture stays this small. */
const FIRST_BOXES = 26;

export class State {
  graph: Graph;
  fold: Fold;
  foldName: FoldChoice = "none";
  direction: Direction;
  /** Unfolded groups, as items, the oldest first. */
  unfolded = new Set<number>();
  level: Level;
  selection: number | null = null;
  /** Nodes lit up; null when nothing is dimmed. */
  lit: Uint8Array | null = null;
  step: number;
  /** Gradients that have arrived; null outside the animation: all of them. */
  arrived: number | null = null;
  /** The item that stays at its place in the next drawing. */
  anchor: number | null = null;
  /** The way to fold was chosen by hand, so it is kept. */
  private chosen = false;
  private graphs: (Graph | undefined)[];
  private folds = new Map<string, Fold>();
  private listeners: [Change, () => void][] = [];
  private graphIndex = 0;
  private shown: { level: Level; items: Int32Array } | null = null;

  constructor(readonly payload: Payload) {
    this.graphs = new Array<Graph | undefined>(payload.graphs.length);
    this.step = payload.steps.length - 1;
    this.graphIndex = payload.steps[this.step]?.graph ?? 0;
    this.graph = this.graphAt(this.graphIndex);
    this.direction = this.graph.size <= FIGURE ? "right" : "down";
    this.foldName = this.choices()[0]!;
    this.fold = this.foldFor(this.foldName);
    this.unfoldFirst();
    this.level = buildLevel(this.fold, -1, this.unfolded);
  }

  on(change: Change, listener: () => void): void {
    this.listeners.push([change, listener]);
  }

  private emit(...changes: Change[]): void {
    for (const [change, listener] of this.listeners) if (changes.includes(change)) listener();
  }

  /** Ways to fold this graph, the one chosen at first in front. */
  choices(): FoldChoice[] {
    const { folds } = this.graph.data;
    const named = (["module", "line", "structure"] as const).filter(
      (name) => folds[name] && folds[name].groups.length > 0,
    );
    const all: FoldChoice[] =
      this.graph.size <= UNFOLDED || !named.length ? [...named, "none"] : named;
    if (this.graph.size <= FIGURE) return ["none", ...named];
    return all;
  }

  get figure(): boolean {
    return this.graph.size <= FIGURE;
  }

  get currentStep(): StepData | null {
    return this.payload.steps[this.step] ?? null;
  }

  valueOf(node: number): Summary | null {
    const step = this.currentStep;
    if (step) return step.summaries[step.value[node] ?? -1] ?? null;
    return this.graph.summary(this.graph.data.nodes.value[node]);
  }

  gradientOf(node: number): Summary | null {
    const step = this.currentStep;
    if (step) return step.summaries[step.grad[node] ?? -1] ?? null;
    return this.graph.summary(this.graph.data.nodes.grad[node]);
  }

  /** In the animation, a gradient is unknown until it has arrived. */
  hasArrived(node: number): boolean {
    if (this.arrived === null) return true;
    const order = this.graph.order[node]!;
    return order >= 0 && order < this.arrived;
  }

  visible(node: number): number {
    return visibleItem(this.fold, this.unfolded, node);
  }

  /** The drawn item of every node. */
  visibleItems(): Int32Array {
    if (this.shown?.level !== this.level) {
      const { fold, graph } = this;
      const ofGroup = new Map<number, number | null>([[-1, null]]);
      // What hides the members of a group: an outer group, or the group itself if it is folded.
      const hiding = (group: number): number | null => {
        let found = ofGroup.get(group);
        if (found === undefined) {
          const item = fold.groupItem(group);
          found = hiding(fold.groups[group]!.parent) ?? (this.unfolded.has(item) ? null : item);
          ofGroup.set(group, found);
        }
        return found;
      };
      const items = new Int32Array(graph.size);
      for (let node = 0; node < graph.size; node++)
        items[node] = hiding(fold.groupOf[node]!) ?? node;
      this.shown = { level: this.level, items };
    }
    return this.shown.items;
  }

  /** The drawn item that is or hides an item of any kind. */
  visibleOf(item: number): number {
    for (const group of this.fold.ancestors(item)) {
      const around = this.fold.groupItem(group);
      if (!this.unfolded.has(around)) return around;
    }
    return item;
  }

  itemTitle(item: number): string {
    return this.fold.isGroup(item) ? this.fold.group(item).label : this.graph.title(item);
  }

  toggle(item: number): void {
    if (!this.fold.isGroup(item)) return;
    if (this.unfolded.has(item)) this.foldItem(item);
    else this.unfoldItem(item);
    this.anchor = item;
    this.rebuild();
  }

  private unfoldItem(item: number): void {
    this.unfolded.add(item);
    // A group that holds just one group says nothing of its own: go through it.
    const members = this.fold.members(item - this.graph.size);
    if (members.length === 1 && this.fold.isGroup(members[0]!)) this.unfoldItem(members[0]!);
  }

  private foldItem(item: number): void {
    this.unfolded.delete(item);
    for (const other of [...this.unfolded]) {
      if (this.fold.ancestors(other).includes(item - this.graph.size)) this.unfolded.delete(other);
    }
    if (this.selection !== null) this.selection = this.visibleOrSelf(this.selection);
  }

  private visibleOrSelf(item: number): number {
    const shown = this.visibleOf(item);
    return shown === item ? item : shown;
  }

  foldAll(): void {
    this.unfolded.clear();
    this.unfoldFirst();
    this.selection = this.selection === null ? null : this.visibleOf(this.selection);
    this.rebuild();
  }

  /** Unfolds whatever hides the item. */
  reveal(item: number): void {
    let changed = false;
    for (const group of this.fold.ancestors(item)) {
      const around = this.fold.groupItem(group);
      if (!this.unfolded.has(around)) {
        this.unfolded.add(around);
        changed = true;
      }
    }
    if (!changed) return;
    this.anchor = item;
    this.rebuild();
  }

  private rebuild(): void {
    this.level = buildLevel(this.fold, -1, this.unfolded);
    const keep = new Set(
      this.anchor === null
        ? []
        : this.fold.ancestors(this.anchor).map((g) => this.fold.groupItem(g)),
    );
    if (this.anchor !== null) keep.add(this.anchor);
    for (const item of [...this.unfolded]) {
      if (countBoxes(this.level) <= MAX_BOXES) break;
      if (keep.has(item) || !this.unfolded.has(item)) continue;
      this.foldItem(item);
      this.level = buildLevel(this.fold, -1, this.unfolded);
    }
    this.emit("scene");
  }

  setFold(name: FoldChoice): void {
    if (name === this.foldName) return;
    const node =
      this.selection !== null && !this.fold.isGroup(this.selection) ? this.selection : null;
    this.chosen = true;
    this.foldName = name;
    this.fold = this.foldFor(name);
    this.resetScene();
    this.selection = node;
    this.lit = null;
    if (node !== null) this.reveal(node);
    this.emit("scene", "selection", "highlight");
  }

  setDirection(direction: Direction): void {
    this.direction = direction;
    this.anchor = this.selection;
    this.emit("scene");
  }

  select(item: number | null, options: { light?: boolean } = {}): void {
    this.selection = item;
    const light = options.light ?? true;
    this.lit = item === null || !light ? null : this.graph.pathsToLoss(this.fold.nodesIn(item));
    this.emit("selection", "highlight");
  }

  /** Lights exactly these nodes, as a row of a table asks for. */
  highlight(nodes: Iterable<number> | null): void {
    if (nodes === null) this.lit = null;
    else {
      this.lit = new Uint8Array(this.graph.size);
      for (const node of nodes) this.lit[node] = 1;
    }
    this.emit("highlight");
  }

  setStep(step: number): void {
    const clamped = Math.max(0, Math.min(this.payload.steps.length - 1, step));
    if (clamped === this.step) return;
    this.step = clamped;
    const graph = this.payload.steps[clamped]!.graph;
    if (graph !== this.graphIndex) {
      this.graphIndex = graph;
      this.graph = this.graphAt(graph);
      const choices = this.choices();
      if (!this.chosen || !choices.includes(this.foldName)) this.foldName = choices[0]!;
      this.fold = this.foldFor(this.foldName);
      this.resetScene();
      this.selection = null;
      this.lit = null;
      this.arrived = null;
      this.emit("scene", "selection", "highlight", "backward");
    }
    this.emit("values");
  }

  setArrived(arrived: number | null): void {
    this.arrived = arrived;
    this.emit("backward");
  }

  private resetScene(): void {
    forgetLayouts();
    this.unfolded.clear();
    this.anchor = null;
    this.unfoldFirst();
    this.level = buildLevel(this.fold, -1, this.unfolded);
  }

  /** Opens groups from the outside in, while the picture stays small enough to read at once. */
  private unfoldFirst(): void {
    let boxes = this.fold.members(-1).length;
    const queue = this.fold.members(-1).filter((item) => this.fold.isGroup(item));
    if (queue.length > 1 && boxes > 3) return;
    while (queue.length) {
      const item = queue.shift()!;
      const members = this.fold.members(item - this.graph.size);
      if (boxes + members.length - 1 > FIRST_BOXES && boxes > 1) continue;
      this.unfolded.add(item);
      boxes += members.length - 1;
      const inner = members.filter((member) => this.fold.isGroup(member));
      // One level is enough once there is something to see.
      if (boxes <= 3) queue.push(...inner);
    }
  }

  private graphAt(index: number): Graph {
    const data = this.payload.graphs[index];
    if (!data) throw new Error("this page holds no graph");
    return (this.graphs[index] ??= new Graph(data));
  }

  private foldFor(name: FoldChoice): Fold {
    const key = `${this.graphIndex}/${name}`;
    let fold = this.folds.get(key);
    if (!fold) {
      const data = name === "none" ? null : (this.graph.data.folds[name] ?? null);
      fold = new Fold(this.graph, data);
      this.folds.set(key, fold);
    }
    return fold;
  }
}
