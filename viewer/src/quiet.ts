// Lines that the layout leaves out, because with them nothing could be read. Those of the selection
// are drawn over the picture, straight from box to box.
import type { Drawing } from "./drawing";
import { byId, svg } from "./dom";
import { formatCount } from "./format";
import type { Direction, PlacedBox, Point } from "./layout";
import { quietEdges } from "./scene";
import type { State } from "./state";

const MOST = 80;

export class QuietLines {
  private readonly layer = svg("g", { class: "quiet-lines" });

  constructor(
    private readonly state: State,
    private readonly drawing: Drawing,
    world: SVGGElement,
  ) {
    world.insertBefore(this.layer, world.lastElementChild);
    state.on("highlight", () => this.show());
    drawing.onDraw(() => this.show());
  }

  private show(): void {
    const { state } = this;
    const quiet = quietEdges(state.level);
    const note = byId("quiet-note");
    note.hidden = quiet.length === 0;
    note.textContent = `${formatCount(quiet.length)} minor edges are left out; select a box to see its own`;
    const lines: SVGPathElement[] = [];
    if (state.lit && quiet.length) {
      const boxes = new Map(this.drawing.picture.boxes.map((box) => [box.item, box]));
      for (const [from, to] of this.pairs(quiet).slice(0, MOST)) {
        const a = boxes.get(from);
        const b = boxes.get(to);
        if (a && b) lines.push(svg("path", { d: arc(a, b, state.direction) }));
      }
    }
    this.layer.replaceChildren(...lines);
  }

  /** Pairs of drawn items: those of the selection, or all that are lit where that is few. */
  private pairs(quiet: number[]): [number, number][] {
    const { state } = this;
    const { source, target } = state.graph;
    const lit = state.lit!;
    const shown = state.visibleItems();
    const selected = state.selection === null ? null : new Set(state.fold.nodesIn(state.selection));
    const pairs = new Map<string, [number, number]>();
    for (const edge of quiet) {
      const from = source[edge]!;
      const to = target[edge]!;
      const wanted = selected ? selected.has(from) || selected.has(to) : lit[from] && lit[to];
      if (!wanted || shown[from] === shown[to]) continue;
      pairs.set(`${shown[from]}>${shown[to]}`, [shown[from]!, shown[to]!]);
    }
    return [...pairs.values()];
  }
}

/** A bow beside the picture's own lines: out of the side of one box, into the side of the other. */
function arc(a: PlacedBox, b: PlacedBox, direction: Direction): string {
  if (direction === "down") {
    const from: Point = { x: a.x + a.w, y: a.y + a.h / 2 };
    const to: Point = { x: b.x + b.w, y: b.y + b.h / 2 };
    const bow = Math.max(from.x, to.x) + 30 + Math.abs(to.y - from.y) * 0.12;
    return `M${from.x} ${from.y}C${bow} ${from.y} ${bow} ${to.y} ${to.x} ${to.y}`;
  }
  const from: Point = { x: a.x + a.w / 2, y: a.y + a.h };
  const to: Point = { x: b.x + b.w / 2, y: b.y + b.h };
  const bow = Math.max(from.y, to.y) + 30 + Math.abs(to.x - from.x) * 0.12;
  return `M${from.x} ${from.y}C${from.x} ${bow} ${to.x} ${bow} ${to.x} ${to.y}`;
}
