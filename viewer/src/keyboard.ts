// The keys of the graph view.
import { transformOf, type Camera } from "./camera";
import { announce, byId } from "./dom";
import { describe, type Drawing } from "./drawing";
import { neighbour, type Arrow } from "./navigate";
import type { Search } from "./search";
import type { State } from "./state";
import type { Transport } from "./transport";

interface Parts {
  state: State;
  drawing: Drawing;
  camera: Camera;
  search: Search;
  transport: Transport;
  fit: () => void;
  open: (item: number) => void;
}

const PAN = 90;

export function setupKeyboard(parts: Parts): void {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (document.body.classList.contains("profile")) return;
    if (document.querySelector("dialog[open]")) return;
    const target = event.target as Element;
    if (target.closest("input:not([type=range]), select, textarea")) return;
    if (target.closest("input[type=range]") && event.key.startsWith("Arrow")) return;
    const onButton = !!target.closest("button, a");
    if (onButton && (event.key === "Enter" || event.key === " ")) return;
    if (handle(event, parts)) event.preventDefault();
  });
}

function handle(event: KeyboardEvent, parts: Parts): boolean {
  const { state, camera, search, transport, fit } = parts;
  switch (event.key) {
    case "ArrowUp":
    case "ArrowDown":
    case "ArrowLeft":
    case "ArrowRight":
      if (event.shiftKey) pan(camera, event.key);
      else move(parts, event.key);
      return true;
    case "Enter":
      if (state.selection !== null && state.fold.isGroup(state.selection)) {
        const item = state.selection;
        state.toggle(item);
        focusItem(parts, item);
        announce(`${state.itemTitle(item)} ${state.unfolded.has(item) ? "unfolded" : "folded"}`);
      }
      return true;
    case "Backspace": {
      const around = state.selection === null ? -1 : state.fold.parentOf(state.selection);
      if (around >= 0) choose(parts, state.fold.groupItem(around));
      return true;
    }
    case "Escape":
      if (state.arrived !== null) transport.leave();
      state.select(null);
      return true;
    case "/":
      search.focus();
      return true;
    case " ":
      transport.toggle();
      return true;
    case ".":
      transport.step(1);
      return true;
    case ",":
      transport.step(-1);
      return true;
    case "]":
    case "[":
      if (state.payload.steps.length) state.setStep(state.step + (event.key === "]" ? 1 : -1));
      return true;
    case "+":
    case "=":
      camera.zoomBy(1.4);
      return true;
    case "-":
    case "−":
      camera.zoomBy(1 / 1.4);
      return true;
    case "f":
      fit();
      return true;
    case "?":
      byId<HTMLDialogElement>("help-dialog").showModal();
      return true;
    default:
      return false;
  }
}

function pan(camera: Camera, arrow: Arrow): void {
  const { x, y, k } = camera.transform;
  const dx = arrow === "ArrowLeft" ? PAN : arrow === "ArrowRight" ? -PAN : 0;
  const dy = arrow === "ArrowUp" ? PAN : arrow === "ArrowDown" ? -PAN : 0;
  camera.set(transformOf(x + dx, y + dy, k));
}

function move(parts: Parts, arrow: Arrow): void {
  const item = neighbour(parts.state, parts.drawing, arrow);
  if (item !== null) choose(parts, item);
}

function choose(parts: Parts, item: number): void {
  parts.open(item);
  focusItem(parts, item);
  announce(describe(parts.state, item));
}

function focusItem({ drawing }: Parts, item: number): void {
  drawing.boxOf(item)?.element.focus({ preventScroll: true });
}
