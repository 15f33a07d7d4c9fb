// The fixed parts of the page: bars, panels and the stage. Views fill them.
import { html, svg } from "./dom";
import { icon } from "./icons";

function iconButton(
  id: string,
  label: string,
  name: Parameters<typeof icon>[0],
  attributes = {},
): HTMLElement {
  return html(
    "button",
    { type: "button", id, class: "icon-button", "aria-label": label, title: label, ...attributes },
    icon(name),
  );
}

export function buildShell(title: string, hasProfile: boolean, hasGraph: boolean): void {
  const tabs = html("div", { class: "tabs", role: "tablist", "aria-label": "Views" });
  if (hasProfile && hasGraph) {
    tabs.append(
      html(
        "button",
        {
          type: "button",
          role: "tab",
          id: "tab-graph",
          "aria-selected": "true",
          "aria-controls": "graph-view",
        },
        "Graph",
      ),
      html(
        "button",
        {
          type: "button",
          role: "tab",
          id: "tab-profile",
          "aria-selected": "false",
          "aria-controls": "profile-view",
        },
        "Profile",
      ),
    );
  }
  const header = html(
    "header",
    { id: "top" },
    html("div", { class: "brand" }, logo(), html("h1", { title }, title)),
    tabs,
    html(
      "div",
      { class: "search", role: "search" },
      searchSign(),
      html("input", {
        id: "search",
        type: "search",
        placeholder: "Search operators, variables, lines, shapes",
        autocomplete: "off",
        spellcheck: "false",
        "aria-label": "Search the graph",
        "aria-controls": "results",
      }),
      html("span", { id: "search-count", "aria-hidden": "true" }),
      html("kbd", { "aria-hidden": "true" }, "/"),
      html("div", { id: "results", role: "listbox", "aria-label": "Found", hidden: true }),
    ),
    html(
      "div",
      { class: "tools" },
      html(
        "label",
        { class: "select" },
        html("span", {}, "Fold by"),
        html("select", { id: "fold" }),
      ),
      iconButton("fold-all", "Fold everything", "collapse"),
      iconButton("direction", "Turn the drawing", "right"),
      iconButton("save", "Save as SVG", "save"),
      iconButton("theme", "Dark colours", "theme"),
      iconButton("help", "Keys (?)", "help"),
    ),
  );
  const arrow = svg(
    "marker",
    {
      id: "arrow",
      viewBox: "0 0 8 8",
      refX: 7,
      refY: 4,
      markerWidth: 7.5,
      markerHeight: 7.5,
      markerUnits: "userSpaceOnUse",
      orient: "auto",
    },
    svg("path", { d: "M0.5 0.8L7.2 4L0.5 7.2L2.2 4Z" }),
  );
  const stage = svg(
    "svg",
    {
      id: "stage",
      role: "tree",
      "aria-label": "Computation graph",
      "aria-multiselectable": "false",
    },
    svg("defs", {}, arrow),
    svg("g", { id: "world" }),
  );
  const graphView = html(
    "main",
    { id: "graph-view", role: hasProfile && hasGraph ? "tabpanel" : null },
    html(
      "div",
      { id: "stage-box" },
      stage,
      html("nav", { id: "crumbs", "aria-label": "Where the selection is" }),
      html(
        "div",
        { class: "notes" },
        html("p", { id: "quiet-note", hidden: true }),
        html(
          "p",
          { id: "figure-note", hidden: true },
          html("span", { class: "value" }, "value"),
          html("span", { class: "grad" }, "∂ gradient of the loss"),
          html("span", { class: "local" }, "on lines: local gradient"),
        ),
      ),
      html(
        "div",
        { id: "map-box" },
        html("canvas", { id: "minimap", "aria-hidden": "true" }),
        html(
          "div",
          { class: "zoom" },
          iconButton("zoom-in", "Zoom in (+)", "plus"),
          iconButton("zoom-out", "Zoom out (−)", "minus"),
          iconButton("fit", "Fit to the window (f)", "fit"),
        ),
      ),
    ),
    html(
      "aside",
      { id: "side", "aria-label": "About the graph" },
      html(
        "div",
        { class: "side-tabs", role: "tablist", "aria-label": "Panels" },
        html(
          "button",
          {
            type: "button",
            role: "tab",
            id: "tab-details",
            "aria-selected": "true",
            "aria-controls": "details",
          },
          "Details",
        ),
        html(
          "button",
          {
            type: "button",
            role: "tab",
            id: "tab-statistics",
            "aria-selected": "false",
            "aria-controls": "statistics",
          },
          "Statistics",
        ),
      ),
      html("div", { id: "details", class: "panel", role: "tabpanel", tabindex: "-1" }),
      html("div", {
        id: "statistics",
        class: "panel",
        role: "tabpanel",
        tabindex: "-1",
        hidden: true,
      }),
    ),
    html("footer", { id: "transport" }),
  );
  const profileView = html(
    "main",
    { id: "profile-view", hidden: true },
    html(
      "div",
      { class: "flame-tools" },
      html(
        "div",
        { class: "search" },
        searchSign(),
        html("input", {
          id: "flame-search",
          type: "search",
          placeholder: "Search spans",
          "aria-label": "Search the profile",
          autocomplete: "off",
          spellcheck: "false",
        }),
        html("span", { id: "flame-count", "aria-live": "polite" }),
      ),
      legend(),
    ),
    html(
      "div",
      { class: "flame-box" },
      html("canvas", {
        id: "flame",
        tabindex: "0",
        role: "img",
        "aria-label": "Flame chart of the profile; arrow keys move between spans",
      }),
    ),
    html("aside", { id: "profile-side", class: "panel", "aria-label": "About the profile" }),
  );
  document.getElementById("fallback")?.remove();
  document.body.append(
    header,
    graphView,
    profileView,
    html("div", { id: "tooltip", role: "tooltip", hidden: true }),
    html("div", { id: "live", class: "unseen", "aria-live": "polite" }),
    helpDialog(),
  );
}

function logo(): SVGSVGElement {
  return svg(
    "svg",
    { class: "logo", viewBox: "0 0 24 24", width: 24, height: 24, "aria-hidden": "true" },
    svg("path", { d: "M5.5 6.5L12 17.5M18.5 6.5L12 17.5" }),
    svg("circle", { cx: 5.5, cy: 6, r: 3.2, class: "a" }),
    svg("circle", { cx: 18.5, cy: 6, r: 3.2, class: "a" }),
    svg("circle", { cx: 12, cy: 18, r: 3.2, class: "b" }),
  );
}

function searchSign(): SVGSVGElement {
  return svg(
    "svg",
    { class: "icon stroked", viewBox: "0 0 16 16", width: 16, height: 16, "aria-hidden": "true" },
    svg("circle", { cx: 7, cy: 7, r: 4.2 }),
    svg("path", { d: "M10.2 10.2L13.5 13.5" }),
  );
}

function legend(): HTMLElement {
  const names = ["forward", "backward", "range", "module"];
  return html(
    "div",
    { class: "legend" },
    ...names.map((name, kind) => html("span", { class: `kind-${kind}` }, name)),
  );
}

const KEYS: [string, string][] = [
  ["← ↑ → ↓", "Move along edges, and to neighbours"],
  ["Enter", "Unfold or fold the selected group"],
  ["Backspace", "Select the group around"],
  ["Esc", "Clear the selection; leave the animation"],
  ["/", "Search; Enter goes to the next hit"],
  ["Space", "Play or pause the backward pass"],
  [".  ,", "One step of the backward pass, forth or back"],
  ["[  ]", "Previous or next training step"],
  ["+  −", "Zoom"],
  ["f", "Fit the picture to the window"],
  ["Shift + arrows", "Pan"],
  ["?", "These keys"],
];

function helpDialog(): HTMLDialogElement {
  const list = html("dl", {});
  for (const [key, words] of KEYS)
    list.append(html("dt", {}, html("kbd", {}, key)), html("dd", {}, words));
  const close = html(
    "button",
    { type: "button", class: "icon-button", "aria-label": "Close", id: "help-close" },
    icon("close"),
  );
  const dialog = html(
    "dialog",
    { id: "help-dialog", "aria-labelledby": "help-title" },
    html("header", {}, html("h2", { id: "help-title" }, "Keys"), close),
    list,
    html("p", { class: "hint" }, "Drag to pan, scroll to zoom, double click a group to unfold it."),
  );
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  return dialog;
}
