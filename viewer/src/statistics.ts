// The panel of numbers about the whole graph. Tables are made when the panel is first shown.
import { html } from "./dom";
import { bar, section } from "./details";
import { formatBytes, formatCount } from "./format";
import { LEAF, OPERATOR, type Graph } from "./graph";
import type { State } from "./state";

const ROWS = 14;

interface Row {
  name: string;
  nodes: number[];
  bytes: number;
}

export class Statistics {
  private shownFor: Graph | null = null;
  private pressed: HTMLElement | null = null;

  constructor(
    private readonly state: State,
    private readonly panel: HTMLElement,
  ) {
    state.on("scene", () => {
      if (!panel.hidden) this.show();
    });
    state.on("selection", () => this.release());
  }

  show(): void {
    const { graph } = this.state;
    if (this.shownFor === graph) return;
    this.shownFor = graph;
    let bytes = 0;
    let operators = 0;
    let leaves = 0;
    for (let node = 0; node < graph.size; node++) {
      bytes += graph.bytes[node]!;
      if (graph.kind[node] === OPERATOR) operators++;
      if (graph.kind[node] === LEAF) leaves++;
    }
    const tiles = html("div", { class: "tiles" });
    const tile = (value: string, name: string): void => {
      tiles.append(
        html("div", { class: "tile" }, html("strong", {}, value), html("span", {}, name)),
      );
    };
    tile(formatCount(graph.size), "nodes");
    tile(formatCount(graph.edgeCount), "edges");
    tile(formatCount(graph.depth()), "depth");
    tile(formatCount(operators), "operators");
    tile(formatCount(leaves), "variables");
    tile(formatBytes(bytes), "saved");
    this.panel.replaceChildren(
      html("header", {}, html("h2", {}, "Statistics")),
      tiles,
      this.table(
        "By operator",
        this.rows(
          (node) =>
            graph.operator(node) || (graph.kind[node] === LEAF ? "variables" : "saved inputs"),
        ),
      ),
      this.table(
        "By module",
        this.rows((node) => graph.modulePath(node) || graph.moduleType(node) || "(no module)"),
      ),
      this.table(
        "By source line",
        this.rows((node) => graph.location(node) || "(unknown)"),
      ),
    );
  }

  private rows(nameOf: (node: number) => string): Row[] {
    const { graph } = this.state;
    const rows = new Map<string, Row>();
    for (let node = 0; node < graph.size; node++) {
      const name = nameOf(node);
      let row = rows.get(name);
      if (!row) rows.set(name, (row = { name, nodes: [], bytes: 0 }));
      row.nodes.push(node);
      row.bytes += graph.bytes[node]!;
    }
    return [...rows.values()].sort((a, b) => b.bytes - a.bytes || b.nodes.length - a.nodes.length);
  }

  private table(title: string, rows: Row[]): HTMLElement {
    const body = html("div", { class: "bars" });
    const saved = rows.some((row) => row.bytes > 0);
    const most = Math.max(1, ...rows.map((row) => (saved ? row.bytes : row.nodes.length)));
    const add = (from: number, to: number): void => {
      for (const row of rows.slice(from, to)) {
        const count = `${formatCount(row.nodes.length)}×`;
        const line = bar(
          row.name,
          saved ? `${formatBytes(row.bytes)}   ${count}` : count,
          (saved ? row.bytes : row.nodes.length) / most,
        );
        const pressable = html(
          "button",
          {
            type: "button",
            class: "row",
            "aria-pressed": "false",
            title: `${row.name}: light up its ${row.nodes.length} nodes`,
          },
          line,
        );
        pressable.addEventListener("click", () => this.press(pressable, row));
        body.append(pressable);
      }
    };
    add(0, ROWS);
    if (rows.length > ROWS) {
      const more = html(
        "button",
        { type: "button", class: "more" },
        `${formatCount(rows.length - ROWS)} more`,
      );
      more.addEventListener("click", () => {
        more.remove();
        add(ROWS, Math.min(rows.length, 500));
      });
      body.append(more);
    }
    return section(title + (saved ? ": bytes saved" : ""), body);
  }

  private press(button: HTMLElement, row: Row): void {
    const again = this.pressed === button;
    this.release();
    if (again) this.state.highlight(null);
    else {
      this.state.highlight(row.nodes);
      button.setAttribute("aria-pressed", "true");
      this.pressed = button;
    }
  }

  private release(): void {
    this.pressed?.setAttribute("aria-pressed", "false");
    this.pressed = null;
  }
}
