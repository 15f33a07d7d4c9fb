// The mouse and touch on the stage: select, unfold, and notes at the pointer.
import type { Drawing } from "./drawing";
import type { State } from "./state";
import type { Tooltip } from "./tooltip";

interface Parts {
  stage: SVGSVGElement;
  state: State;
  drawing: Drawing;
  tooltip: Tooltip;
}

function itemAt(event: Event): number | null {
  const found = (event.target as Element).closest("[data-item]:not([aria-hidden])");
  return found ? Number(found.getAttribute("data-item")) : null;
}

export function setupPointer({ stage, state, drawing, tooltip }: Parts): void {
  stage.addEventListener("click", (event) => {
    if (event.defaultPrevented) return;
    const item = itemAt(event);
    if (item === null) {
      if (state.selection !== null || state.lit) state.select(null);
      return;
    }
    tooltip.hide();
    if ((event.target as Element).closest("[data-control]")) state.toggle(item);
    else if (event.detail < 2) {
      state.select(item);
      drawing.boxOf(item)?.element.focus({ preventScroll: true });
    }
  });
  stage.addEventListener("dblclick", (event) => {
    const item = itemAt(event);
    if (item === null || (event.target as Element).closest("[data-control]")) return;
    event.preventDefault();
    if (state.fold.isGroup(item)) {
      tooltip.hide();
      state.toggle(item);
    }
  });
  stage.addEventListener("pointermove", (event) => {
    if (event.buttons || event.pointerType === "touch") return tooltip.hide();
    const item = itemAt(event);
    if (item !== null) return tooltip.item(item, event);
    const key = (event.target as Element).closest("[data-edge]")?.getAttribute("data-edge");
    const edge = key ? drawing.edges.get(key) : undefined;
    if (edge) tooltip.edge(edge.placed.edge, event);
    else tooltip.hide();
  });
  stage.addEventListener("pointerleave", () => tooltip.hide());
  stage.addEventListener("wheel", () => tooltip.hide(), { passive: true });
}
