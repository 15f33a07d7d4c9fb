// Finds nodes by operator, variable, module, source line or shape.
import { announce, byId, html } from "./dom";
import { formatCount } from "./format";
import type { Graph } from "./graph";
import type { State } from "./state";

const LISTED = 60;

export class Search {
  private readonly input = byId<HTMLInputElement>("search");
  private readonly results = byId("results");
  private readonly counter = byId("search-count");
  private hits: number[] = [];
  private at = -1;

  constructor(
    private readonly state: State,
    private readonly open: (item: number) => void,
  ) {
    this.input.addEventListener("input", () => this.run());
    this.input.addEventListener("focus", () => this.show());
    this.input.addEventListener("blur", () => setTimeout(() => (this.results.hidden = true), 150));
    this.input.addEventListener("keydown", (event) => this.key(event));
    state.on("scene", () => {
      if (this.hits.length && this.hits[this.hits.length - 1]! >= state.graph.size) this.run();
    });
  }

  focus(): void {
    this.input.focus();
    this.input.select();
  }

  private key(event: KeyboardEvent): void {
    if (event.key === "Enter" || event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      this.go(event.key === "ArrowUp" || event.shiftKey ? -1 : 1);
    } else if (event.key === "Escape") {
      event.stopPropagation();
      if (this.input.value) {
        this.input.value = "";
        this.run();
      } else this.input.blur();
    }
  }

  private run(): void {
    this.hits = find(this.state.graph, this.input.value);
    this.at = -1;
    this.state.highlight(this.input.value.trim() ? this.hits : null);
    this.show();
    if (this.input.value.trim()) announce(`${this.hits.length} found`);
  }

  private go(step: number): void {
    if (!this.hits.length) return;
    this.at = (this.at + step + this.hits.length) % this.hits.length;
    if (this.at < 0) this.at = this.hits.length - 1;
    this.open(this.hits[this.at]!);
    this.show();
  }

  private show(): void {
    const { graph } = this.state;
    const words = this.input.value.trim();
    this.counter.textContent = words
      ? this.hits.length
        ? `${this.at >= 0 ? `${formatCount(this.at + 1)} / ` : ""}${formatCount(this.hits.length)}`
        : "none"
      : "";
    const start = Math.max(0, Math.min(this.at - 4, this.hits.length - LISTED));
    this.results.replaceChildren(
      ...this.hits.slice(start, start + LISTED).map((node, index) => {
        const place = [graph.modulePath(node), graph.location(node)].filter(Boolean).join(" · ");
        const operator = graph.variable(node) ? graph.operator(node) || "variable" : "";
        const row = html(
          "button",
          {
            type: "button",
            role: "option",
            tabindex: "-1",
            "aria-selected": String(start + index === this.at),
          },
          html("span", { class: "name" }, graph.title(node)),
          html("span", { class: "facts" }, [operator, graph.shape(node)].filter(Boolean).join(" ")),
          html("span", { class: "place" }, place),
        );
        row.addEventListener("mousedown", (event) => {
          event.preventDefault();
          this.at = start + index;
          this.open(node);
          this.show();
        });
        return row;
      }),
    );
    this.results.hidden = !words || !this.hits.length || document.activeElement !== this.input;
    this.results.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: "nearest" });
  }
}

/** Nodes in which every word of the query occurs somewhere. Texts are searched once each. */
export function find(graph: Graph, query: string): number[] {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  if (!words.length) return [];
  const { nodes, modules, strings, sources } = graph.data;
  const lower = strings.map((text) => text.toLowerCase());
  let hits: Uint8Array | null = null;
  for (const word of words) {
    const inText = lower.map(
      (text) => text.includes(word) || text.includes(word.replaceAll("x", "×")),
    );
    const inModule = modules.map(
      (module) => (inText[module.path] ?? false) || (inText[module.type] ?? false),
    );
    const inSource = (file: number, line: number): boolean =>
      (sources[String(file)]?.[String(line)] ?? "").toLowerCase().includes(word);
    const lines = new Map<string, boolean>();
    const found = new Uint8Array(graph.size);
    for (let node = 0; node < graph.size; node++) {
      if (hits && !hits[node]) continue;
      const file = nodes.file[node]!;
      const line = nodes.line[node]!;
      let yes =
        inText[nodes.op[node]!] ||
        inText[nodes.variable[node]!] ||
        inText[nodes.name[node]!] ||
        inText[nodes.shape[node]!] ||
        inText[nodes.symbol[node]!] ||
        inText[nodes.dtype[node]!] ||
        inModule[nodes.module[node]!];
      if (!yes && line > 0) {
        const key = `${file}:${line}`;
        let known = lines.get(key);
        if (known === undefined) {
          known = inSource(file, line) || graph.location(node).toLowerCase().includes(word);
          lines.set(key, known);
        }
        yes = known;
      }
      if (yes) found[node] = 1;
    }
    hits = found;
  }
  const result: number[] = [];
  for (let node = 0; node < graph.size; node++) if (hits![node]) result.push(node);
  return result;
}
