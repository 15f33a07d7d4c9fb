// Starts the page: reads the data, builds the views, and connects them.
import "./styles/page.css";
import { BackwardView } from "./backward";
import { Camera } from "./camera";
import { Details } from "./details";
import { announce, byId, html } from "./dom";
import { Drawing } from "./drawing";
import { Flame } from "./flame";
import { Highlight } from "./highlight";
import { icon } from "./icons";
import { setupKeyboard } from "./keyboard";
import { Minimap } from "./minimap";
import { readPayload, type Payload } from "./payload";
import { setupPointer } from "./pointer";
import { QuietLines } from "./quiet";
import { saveSvg } from "./savesvg";
import { Search } from "./search";
import { buildShell } from "./shell";
import { State, type FoldChoice } from "./state";
import { Statistics } from "./statistics";
import { setupTabs } from "./tabs";
import { setupTheme } from "./theme";
import { Tooltip } from "./tooltip";
import { Transport } from "./transport";

const FOLD_NAMES: Record<FoldChoice, string> = {
  module: "module",
  line: "source line",
  structure: "structure",
  none: "nothing",
};

function startGraph(payload: Payload, title: string): void {
  const state = new State(payload);
  const stage = byId<SVGSVGElement>("stage");
  const world = byId<SVGGElement>("world");
  const camera = new Camera(stage, world);
  const drawing = new Drawing(state, camera, world);
  new Highlight(state, drawing);
  new BackwardView(state, drawing);
  new QuietLines(state, drawing, world);
  new Minimap(drawing, camera);
  const tooltip = new Tooltip(state);

  /** Selects an item, unfolds what hides it, and brings it into view. */
  const open = (item: number): void => {
    state.reveal(item);
    state.select(item);
    const box = drawing.picture.boxes.find((candidate) => candidate.item === item);
    if (box) camera.glide(camera.meeting(box));
    announce(state.itemTitle(item));
  };
  const details = byId("details");
  new Details(state, details, open);
  const statistics = new Statistics(state, byId("statistics"));
  setupTabs(["tab-details", "tab-statistics"], (tab) => {
    if (tab === "tab-statistics") statistics.show();
  });
  state.on("selection", () => {
    if (state.selection !== null) byId("tab-details").click();
  });
  const search = new Search(state, open);
  const transport = new Transport(state);
  const fit = (): void => camera.glide(camera.fitting(drawing.picture.bounds));

  state.on("scene", () => drawing.draw());
  setupFolds(state);
  const legend = (): void => {
    byId("figure-note").hidden = !state.figure;
    const locals = state.graph.data.edges.local.some((value) => value !== null);
    byId("figure-note").querySelector<HTMLElement>(".local")!.hidden = !locals;
  };
  state.on("scene", legend);
  legend();
  setupCrumbs(state, open);
  const direction = byId("direction");
  const turned = (): void =>
    direction.replaceChildren(icon(state.direction === "down" ? "right" : "down"));
  turned();
  direction.addEventListener("click", () => {
    state.setDirection(state.direction === "down" ? "right" : "down");
    turned();
    camera.glide(camera.opening(drawing.picture.bounds, state.direction === "down"));
  });
  byId("fold-all").addEventListener("click", () => {
    state.foldAll();
    camera.glide(camera.opening(drawing.picture.bounds, state.direction === "down"));
  });
  byId("zoom-in").addEventListener("click", () => camera.zoomBy(1.4));
  byId("zoom-out").addEventListener("click", () => camera.zoomBy(1 / 1.4));
  byId("fit").addEventListener("click", fit);
  byId("save").addEventListener("click", () => saveSvg(drawing, world, title));
  setupPointer({ stage, state, drawing, tooltip });
  setupKeyboard({ state, drawing, camera, search, transport, fit, open });
  drawing.draw();
}

function setupFolds(state: State): void {
  const select = byId<HTMLSelectElement>("fold");
  const fill = (): void => {
    const choices = state.choices();
    select.replaceChildren(
      ...choices.map((name) =>
        html("option", { value: name, selected: name === state.foldName }, FOLD_NAMES[name]),
      ),
    );
    select.value = state.foldName;
    select.closest("label")!.hidden = choices.length < 2;
    byId("fold-all").hidden = state.fold.groups.length === 0;
  };
  fill();
  state.on("scene", fill);
  select.addEventListener("change", () => state.setFold(select.value as FoldChoice));
}

function setupCrumbs(state: State, open: (item: number) => void): void {
  const show = (): void => {
    const { selection, fold } = state;
    const items =
      selection === null
        ? []
        : [...fold.ancestors(selection).map((g) => fold.groupItem(g)), selection];
    byId("crumbs").replaceChildren(
      ...items.map((item, index) => {
        const last = index === items.length - 1;
        const crumb = html(
          "button",
          { type: "button", "aria-current": last ? "true" : null },
          state.itemTitle(item) || "(no module)",
        );
        crumb.addEventListener("click", () => open(item));
        return crumb;
      }),
    );
  };
  state.on("selection", show);
  state.on("scene", show);
}

function start(): void {
  const payload = readPayload();
  const hasGraph = payload.graphs.some((graph) => graph.nodes.kind.length > 0);
  const title = document.title || "Computation graph";
  buildShell(title, !!payload.profile, hasGraph);
  setupTheme(byId("theme"));
  const dialog = byId<HTMLDialogElement>("help-dialog");
  byId("help").addEventListener("click", () => dialog.showModal());
  if (hasGraph) startGraph(payload, title);
  if (payload.profile) {
    const flame = new Flame(payload.profile, byId("profile-side"));
    const show = (profile: boolean): void => {
      byId("graph-view").hidden = profile;
      byId("profile-view").hidden = !profile;
      document.body.classList.toggle("profile", profile);
      if (profile) flame.resize();
    };
    if (hasGraph)
      setupTabs(["tab-graph", "tab-profile"], (tab) => show(tab === "tab-profile"), false);
    else show(true);
  } else if (!hasGraph) {
    byId("graph-view").replaceChildren(html("p", { class: "empty" }, "This page holds no nodes."));
  }
  document.documentElement.dataset.ready = String(Math.round(performance.now()));
}

start();
