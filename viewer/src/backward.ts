// The backward pass in the picture: which boxes have their gradients, and which lines carry one now.
import type { Drawing } from "./drawing";
import type { State } from "./state";

/** Positions in the engine's order at which something happens to a box or a line, sorted. */
type Moments = Int32Array;

export class BackwardView {
  private previous: number | null = null;
  private boxes = new Map<number, Moments>();
  private edges = new Map<string, Moments>();
  private preparedFor: unknown = null;

  constructor(
    private readonly state: State,
    private readonly drawing: Drawing,
  ) {
    state.on("backward", () => this.show());
    drawing.onDraw(() => {
      if (state.arrived !== null) this.show();
    });
  }

  private prepare(): void {
    const { state, drawing } = this;
    if (this.preparedFor === drawing.picture) return;
    this.preparedFor = drawing.picture;
    const { graph } = state;
    const shown = state.visibleItems();
    const lists = new Map<number, number[]>();
    // In the engine's order, so each list comes out sorted.
    graph.byOrder.forEach((node, position) => {
      const item = shown[node]!;
      const list = lists.get(item);
      if (list) list.push(position);
      else lists.set(item, [position]);
    });
    this.boxes = new Map([...lists].map(([item, list]) => [item, Int32Array.from(list)]));
    const place = new Int32Array(graph.size).fill(-1);
    graph.byOrder.forEach((node, position) => (place[node] = position));
    this.edges.clear();
    for (const [key, view] of drawing.edges) {
      const { raw } = view.placed.edge;
      const moments = Int32Array.from(raw, (edge) => place[graph.source[edge]!]!);
      this.edges.set(key, moments.filter((position) => position >= 0).sort());
    }
  }

  private show(): void {
    const { state, drawing } = this;
    const { arrived } = state;
    drawing.stage.classList.toggle("backward", arrived !== null);
    if (arrived === null) {
      for (const view of drawing.boxes.values()) {
        view.element.classList.remove("arrived", "firing");
      }
      for (const view of drawing.edges.values()) view.element.classList.remove("arrived", "pulse");
      this.previous = null;
      return;
    }
    this.prepare();
    // What is new since the last picture; going back, only the last event.
    const since = Math.min(this.previous ?? 0, arrived - 1);
    for (const view of drawing.boxes.values()) {
      const moments = this.boxes.get(view.box.item);
      const done = moments ? before(moments, arrived) : 0;
      view.element.classList.toggle("arrived", done > 0);
      view.element.classList.toggle("firing", !!moments && done > before(moments, since));
      const bar = view.element.querySelector(".progress");
      if (bar && moments) {
        const room = Number(bar.getAttribute("data-room"));
        bar.setAttribute("width", String((room * done) / moments.length));
      }
    }
    for (const [key, view] of drawing.edges) {
      const moments = this.edges.get(key);
      const done = moments ? before(moments, arrived) : 0;
      view.element.classList.toggle("arrived", done > 0);
      view.element.classList.toggle("pulse", !!moments && done > before(moments, since));
    }
    this.previous = arrived;
  }
}

/** How many of the moments come before `position`. */
function before(moments: Moments, position: number): number {
  let low = 0;
  let high = moments.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (moments[middle]! < position) low = middle + 1;
    else high = middle;
  }
  return low;
}
