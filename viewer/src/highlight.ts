// Lights up and dims: the selection, the paths to the loss, rows of tables, and gradients that
// have arrived in the animation.
import type { Drawing } from "./drawing";
import { formatNumber } from "./format";
import type { Graph } from "./graph";
import type { Summary } from "./payload";
import type { State } from "./state";

export class Highlight {
  private previousArrived: number | null = null;

  constructor(
    private readonly state: State,
    private readonly drawing: Drawing,
  ) {
    state.on("selection", () => this.selection());
    state.on("highlight", () => this.light());
    state.on("values", () => this.facts());
    state.on("backward", () => this.backward());
    drawing.onDraw(() => {
      this.selection();
      this.light();
      this.facts();
      this.backward();
    });
  }

  private selection(): void {
    const { selection } = this.state;
    let tabbable: SVGGElement | null = null;
    for (const view of this.drawing.boxes.values()) {
      const selected = view.box.item === selection && !view.leaving;
      view.element.classList.toggle("selected", selected);
      view.element.setAttribute("aria-selected", String(selected));
      view.element.setAttribute("tabindex", "-1");
      if (selected || (!tabbable && !view.leaving)) tabbable = view.element;
    }
    tabbable?.setAttribute("tabindex", "0");
  }

  private light(): void {
    const { state, drawing } = this;
    const { lit, graph } = state;
    const shown = state.visibleItems();
    const litItems = new Set<number>();
    if (lit) {
      for (let node = 0; node < graph.size; node++) {
        if (!lit[node]) continue;
        litItems.add(shown[node]!);
        for (const group of state.fold.ancestors(shown[node]!)) {
          litItems.add(state.fold.groupItem(group));
        }
      }
    }
    for (const view of drawing.boxes.values()) {
      view.element.classList.toggle("dimmed", !!lit && !litItems.has(view.box.item));
    }
    for (const view of drawing.edges.values()) {
      const on =
        !!lit &&
        view.placed.edge.raw.some((edge) => lit[graph.source[edge]!] && lit[graph.target[edge]!]);
      view.element.classList.toggle("lit", on);
      view.element.classList.toggle("dimmed", !!lit && !on);
      view.label?.classList.toggle("dimmed", !!lit && !on);
      view.label?.classList.toggle("lit", on);
    }
  }

  /** Values and gradients beside the nodes of a figure. */
  private facts(): void {
    const { state } = this;
    for (const view of this.drawing.boxes.values()) {
      const { item } = view.box;
      if (!view.content || state.fold.isGroup(item)) continue;
      const value = view.element.querySelector(".fact.value");
      const grad = view.element.querySelector(".fact.grad");
      if (value) value.textContent = fact(state.valueOf(item), "");
      if (grad) grad.textContent = state.hasArrived(item) ? fact(state.gradientOf(item), "∂ ") : "";
      view.element.classList.toggle(
        "bad",
        isBroken(state.valueOf(item)) || isBroken(state.gradientOf(item)),
      );
    }
  }

  private backward(): void {
    const { state, drawing } = this;
    const { arrived, graph } = state;
    const playing = arrived !== null;
    const svg = drawing.boxes.values().next().value?.element.ownerSVGElement;
    svg?.classList.toggle("backward", playing);
    if (!playing) {
      if (this.previousArrived !== null) this.facts();
      this.previousArrived = null;
      for (const view of drawing.boxes.values()) {
        view.element.classList.remove("arrived", "firing");
      }
      for (const view of drawing.edges.values()) view.element.classList.remove("arrived", "pulse");
      return;
    }
    const shown = state.visibleItems();
    const done = new Map<number, number>();
    const all = new Map<number, number>();
    for (let node = 0; node < graph.size; node++) {
      if (graph.order[node]! < 0) continue;
      const item = shown[node]!;
      all.set(item, (all.get(item) ?? 0) + 1);
      if (graph.order[node]! < arrived) done.set(item, (done.get(item) ?? 0) + 1);
    }
    const since = this.previousArrived ?? 0;
    const firing = new Set<number>();
    for (let at = Math.max(0, Math.min(since, arrived - 1)); at < arrived; at++) {
      const node = graph.byOrder[at];
      if (node !== undefined) firing.add(shown[node]!);
    }
    for (const view of drawing.boxes.values()) {
      const { item } = view.box;
      const part = (done.get(item) ?? 0) / (all.get(item) ?? 1);
      view.element.classList.toggle("arrived", part > 0);
      view.element.classList.toggle("firing", firing.has(item));
      const bar = view.element.querySelector(".progress");
      bar?.setAttribute("width", String(Number(bar.getAttribute("data-room")) * part));
    }
    for (const view of drawing.edges.values()) {
      const { raw } = view.placed.edge;
      view.element.classList.toggle(
        "arrived",
        raw.some((edge) => reached(graph, edge, arrived)),
      );
      view.element.classList.toggle(
        "pulse",
        raw.some((edge) => {
          const order = graph.order[graph.source[edge]!]!;
          return (
            order >= since - 0 && order < arrived && order >= arrived - Math.max(1, arrived - since)
          );
        }),
      );
    }
    this.facts();
    this.previousArrived = arrived;
  }
}

function reached(graph: Graph, edge: number, arrived: number): boolean {
  const order = graph.order[graph.source[edge]!]!;
  return order >= 0 && order < arrived;
}

function fact(summary: Summary | null, prefix: string): string {
  if (!summary) return "";
  if (summary.count === 1) return prefix + formatNumber(summary.values?.[0] ?? summary.mean);
  return `${prefix}${formatNumber(summary.min, 2)} … ${formatNumber(summary.max, 2)}`;
}

/** NaN or infinity among the numbers. */
export function isBroken(summary: Summary | null): boolean {
  return !!summary && ((summary.nan ?? 0) > 0 || (summary.inf ?? 0) > 0);
}
