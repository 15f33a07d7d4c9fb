// Lights up and dims: the selection, the paths to the loss and rows of tables; and keeps the numbers
// beside the nodes of a figure up to date.
import type { Drawing } from "./drawing";
import { formatNumber } from "./format";
import type { Summary } from "./payload";
import type { State } from "./state";

export class Highlight {
  constructor(
    private readonly state: State,
    private readonly drawing: Drawing,
  ) {
    state.on("selection", () => this.selection());
    state.on("highlight", () => this.light());
    state.on("values", () => this.facts());
    state.on("backward", () => this.facts());
    drawing.onDraw(() => {
      this.selection();
      this.light();
      this.facts();
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
        if (!lit[node] || litItems.has(shown[node]!)) continue;
        litItems.add(shown[node]!);
        for (const group of state.fold.ancestors(shown[node]!)) {
          litItems.add(state.fold.groupItem(group));
        }
      }
    }
    for (const view of drawing.boxes.values()) {
      const dimmed = !!lit && !litItems.has(view.box.item);
      view.element.classList.toggle("dimmed", dimmed);
      view.title?.classList.toggle("dimmed", dimmed);
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
