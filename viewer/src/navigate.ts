// Moves the selection along edges and to neighbours, as the arrow keys ask.
import type { Drawing } from "./drawing";
import type { PlacedBox } from "./layout";
import type { State } from "./state";

export type Arrow = "ArrowUp" | "ArrowDown" | "ArrowLeft" | "ArrowRight";

/** Nodes of a large group that are asked for their edges. */
const ASKED = 4000;

export function neighbour(state: State, drawing: Drawing, arrow: Arrow): number | null {
  const boxes = drawing.picture.boxes.filter((box) => !box.unfolded);
  const here = drawing.picture.boxes.find((box) => box.item === state.selection);
  if (!here) return boxes[0]?.item ?? null;
  const down = state.direction === "down";
  const forward = arrow === (down ? "ArrowDown" : "ArrowRight");
  const back = arrow === (down ? "ArrowUp" : "ArrowLeft");
  if (forward || back) {
    const linked = linkedItems(state, here.item, forward);
    return nearest(
      here,
      boxes.filter((box) => linked.has(box.item)),
    );
  }
  const sign = arrow === "ArrowRight" || arrow === "ArrowDown" ? 1 : -1;
  const [hx, hy] = middle(here);
  const aside = boxes.filter((box) => {
    const [x, y] = middle(box);
    return (down ? x - hx : y - hy) * sign > 1;
  });
  // Along the rank first: what is across counts three times.
  let best: number | null = null;
  let least = Infinity;
  for (const box of aside) {
    const [x, y] = middle(box);
    const [along, across] = down ? [x - hx, y - hy] : [y - hy, x - hx];
    const distance = Math.abs(along) + 3 * Math.abs(across);
    if (distance < least) [best, least] = [box.item, distance];
  }
  return best;
}

function linkedItems(state: State, item: number, forward: boolean): Set<number> {
  const { graph, fold } = state;
  const shown = state.visibleItems();
  const linked = new Set<number>();
  for (const node of fold.nodesIn(item).slice(0, ASKED)) {
    for (const edge of forward ? graph.userEdges(node) : graph.inputEdges(node)) {
      linked.add(shown[forward ? graph.target[edge]! : graph.source[edge]!]!);
    }
  }
  linked.delete(item);
  return linked;
}

function nearest(here: PlacedBox, boxes: PlacedBox[]): number | null {
  const [hx, hy] = middle(here);
  let best: number | null = null;
  let least = Infinity;
  for (const box of boxes) {
    const [x, y] = middle(box);
    const distance = Math.hypot(x - hx, y - hy);
    if (distance < least) [best, least] = [box.item, distance];
  }
  return best;
}

function middle(box: PlacedBox): [number, number] {
  return [box.x + box.w / 2, box.y + box.h / 2];
}
