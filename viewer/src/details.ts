// The side panel about the selected node or group.
import { html, math } from "./dom";
import { formatBytes, formatCount, formatNumber, isBad, plural } from "./format";
import { equation, partial, type Names } from "./formula";
import { CONSTANT, LEAF } from "./graph";
import { histogram } from "./histogram";
import { isBroken } from "./highlight";
import type { Num, Summary } from "./payload";
import type { State } from "./state";

export class Details {
  constructor(
    private readonly state: State,
    private readonly panel: HTMLElement,
    private readonly open: (item: number) => void,
  ) {
    for (const change of ["selection", "values", "backward", "scene"] as const) {
      state.on(change, () => this.show());
    }
    this.show();
  }

  private show(): void {
    const { selection, fold } = this.state;
    const top = this.panel.scrollTop;
    const sections =
      selection === null
        ? this.overview()
        : fold.isGroup(selection)
          ? this.group(selection)
          : this.node(selection);
    this.panel.replaceChildren(...sections);
    this.panel.scrollTop = top;
  }

  private overview(): HTMLElement[] {
    const { graph } = this.state;
    const roots = html("ul", { class: "links" });
    for (const root of graph.roots) roots.append(html("li", {}, this.link(root)));
    const leaves: number[] = [];
    for (let node = 0; node < graph.size && leaves.length < 60; node++) {
      if (graph.kind[node] === LEAF) leaves.push(node);
    }
    const list = html("ul", { class: "links" });
    for (const leaf of leaves) list.append(html("li", {}, this.link(leaf)));
    return [
      html(
        "header",
        {},
        html("h2", {}, "Nothing selected"),
        html(
          "p",
          { class: "hint" },
          "Select a node to see its derivative, its value and gradient, and the line that made it. Everything on a path from it to the loss lights up.",
        ),
      ),
      section(graph.roots.length > 1 ? "Losses" : "Loss", roots),
      section(`Variables`, leaves.length ? list : html("p", { class: "hint" }, "none")),
    ];
  }

  private link(item: number): HTMLElement {
    const { state } = this;
    const link = html(
      "button",
      { type: "button", class: "link" },
      html("span", { class: "name" }, state.itemTitle(item)),
    );
    const facts = state.fold.isGroup(item)
      ? plural(state.fold.countOf(item), "node")
      : this.factsOf(item);
    if (facts) link.append(html("span", { class: "facts" }, facts));
    link.addEventListener("click", () => this.open(item));
    return link;
  }

  /** What tells a node from others of its name: the expression if it has none of its own. */
  private factsOf(node: number): string {
    const { graph } = this.state;
    const expression = graph.expression(node);
    if (!graph.variable(node) && expression && expression.length <= 26) return expression;
    const operator = graph.variable(node) ? graph.operator(node) : "";
    return [operator, graph.shape(node)].filter(Boolean).join(" ");
  }

  private node(node: number): HTMLElement[] {
    const { graph } = this.state;
    const kind = graph.kind[node]!;
    const title = graph.title(node);
    const sort =
      kind === LEAF
        ? "variable"
        : kind === CONSTANT
          ? "saved input"
          : graph.isRoot.has(node)
            ? "loss"
            : "operator";
    const header = html(
      "header",
      { class: `sort-${sort.replace(" ", "-")}` },
      html("p", { class: "sort" }, sort),
      html("h2", {}, title),
    );
    const sections: HTMLElement[] = [header];
    const facts: [string, string][] = [];
    if (graph.operator(node)) facts.push(["operator", `${graph.operator(node)}`]);
    if (graph.name(node)) facts.push(["node", graph.name(node)]);
    facts.push(["shape", graph.shape(node) || "scalar"], ["dtype", graph.dtype(node)]);
    facts.push(["saves", formatBytes(graph.bytes[node] ?? 0)]);
    if (graph.order[node]! >= 0) {
      facts.push([
        "backward",
        `${formatCount(graph.order[node]! + 1)} of ${formatCount(graph.byOrder.length)}`,
      ]);
    }
    if (graph.modulePath(node) || graph.moduleType(node)) {
      facts.push([
        "module",
        [graph.modulePath(node), graph.moduleType(node)].filter(Boolean).join(" · "),
      ]);
    }
    sections.push(factList(facts));
    const formulas = this.formulas(node);
    if (formulas) sections.push(formulas);
    sections.push(...this.numbers(node));
    const source = this.source(node);
    if (source) sections.push(source);
    sections.push(...this.neighbours(node));
    return sections;
  }

  private formulas(node: number): HTMLElement | null {
    const { graph } = this.state;
    const written = graph.formulas(node);
    if (!written.some(Boolean)) return null;
    const body = html("div", { class: "formulas" });
    const inputs = graph.inputEdges(node);
    // The table of operators says self and other; the user has names of their own.
    const names: Names = {};
    const roles = graph.operands(node);
    for (const edge of inputs) {
      const name = plainName(graph.variable(graph.source[edge]!));
      const role = roles[graph.input(edge)];
      if (name && role) names[role] = name;
    }
    if (plainName(graph.variable(node))) names.y = names.result = plainName(graph.variable(node));
    written.forEach((formula, position) => {
      if (!formula) return;
      const edge = inputs.find((candidate) => graph.input(candidate) === position);
      const name = edge === undefined ? "" : plainName(graph.variable(graph.source[edge]!));
      const role = name || roles[position] || `x${position + 1}`;
      body.append(equation(partial("L", role), formula, names));
    });
    const note = html("p", { class: "hint where" }, "where ");
    const mathml = math(
      "math",
      {},
      math("mi", {}, "g"),
      math("mo", {}, "="),
      partial("L", plainName(graph.variable(node)) || "y"),
    );
    note.append(mathml, " is the gradient that arrives");
    body.append(note);
    return section("Derivative", body);
  }

  private numbers(node: number): HTMLElement[] {
    const { state } = this;
    const sections: HTMLElement[] = [];
    const value = state.valueOf(node);
    if (value) sections.push(section("Value", summaryView(value, "value")));
    const gradient = state.gradientOf(node);
    if (gradient && state.hasArrived(node))
      sections.push(section("Gradient", summaryView(gradient, "grad")));
    else if (gradient)
      sections.push(section("Gradient", html("p", { class: "hint" }, "has not arrived yet")));
    return sections;
  }

  private source(node: number): HTMLElement | null {
    const { graph } = this.state;
    const where = graph.location(node);
    if (!where) return null;
    const line = graph.sourceLine(node);
    const body = html("div", { class: "source" });
    const place = html("p", { class: "where" }, html("span", { title: graph.file(node) }, where));
    if (graph.function(node))
      place.append(html("span", { class: "muted" }, ` in ${graph.function(node)}`));
    body.append(place);
    if (line) body.append(codeLine(line, graph.expression(node)));
    return section("Source", body);
  }

  private neighbours(node: number): HTMLElement[] {
    const { graph } = this.state;
    const sections: HTMLElement[] = [];
    const build = (title: string, edges: Int32Array, end: Int32Array): void => {
      if (!edges.length) return;
      const list = html("ul", { class: "links" });
      for (const edge of edges.subarray(0, 24)) {
        const row = html("li", {}, this.link(end[edge]!));
        const local = graph.local(edge);
        if (local !== null)
          row.append(
            html("span", { class: "local", title: "local gradient" }, formatNumber(local)),
          );
        list.append(row);
      }
      if (edges.length > 24)
        list.append(html("li", { class: "hint" }, `and ${formatCount(edges.length - 24)} more`));
      sections.push(section(title, list));
    };
    build("Inputs", graph.inputEdges(node), graph.source);
    build("Used by", graph.userEdges(node), graph.target);
    return sections;
  }

  private group(item: number): HTMLElement[] {
    const { state } = this;
    const { graph, fold } = state;
    const group = fold.group(item);
    const nodes = fold.nodesIn(item);
    const names: Record<string, string> = {
      module: "module",
      line: "source line",
      repeat: "repeated block",
      part: "part of a chain",
    };
    const operators = new Map<string, number>();
    let bytes = 0;
    let leaves = 0;
    for (const node of nodes) {
      bytes += graph.bytes[node]!;
      if (graph.kind[node] === LEAF) leaves++;
      const operator = graph.operator(node);
      if (operator) operators.set(operator, (operators.get(operator) ?? 0) + 1);
    }
    const facts: [string, string][] = [["nodes", formatCount(nodes.length)]];
    if (group.repeats > 1) facts.push(["repeats", `×${formatCount(group.repeats)}`]);
    facts.push(["variables", formatCount(leaves)], ["saves", formatBytes(bytes)]);
    const sections = [
      html(
        "header",
        { class: `sort-${group.kind}` },
        html("p", { class: "sort" }, names[group.kind] ?? group.kind),
        html("h2", {}, group.label || "(no module)"),
        group.detail
          ? html("p", { class: group.kind === "line" ? "detail code" : "detail" }, group.detail)
          : null,
      ),
      factList(facts),
    ];
    const sorted = [...operators].sort((a, b) => b[1] - a[1]).slice(0, 12);
    const most = sorted[0]?.[1] ?? 1;
    const bars = html("div", { class: "bars" });
    for (const [name, count] of sorted) bars.append(bar(name, formatCount(count), count / most));
    if (sorted.length) sections.push(section("Operators", bars));
    const broken = nodes.filter((n) => isBroken(state.gradientOf(n)) || isBroken(state.valueOf(n)));
    if (broken.length) {
      const list = html("ul", { class: "links" });
      for (const node of broken.slice(0, 12)) list.append(html("li", {}, this.link(node)));
      sections.push(section("NaN or infinity in", list));
    }
    const members = fold.members(item - graph.size);
    const list = html("ul", { class: "links" });
    for (const member of members.slice(0, 60)) list.append(html("li", {}, this.link(member)));
    sections.push(section("Members", list));
    return sections;
  }
}

export function bar(name: string, value: string, part: number): HTMLElement {
  const fill = html("span", { class: "fill" });
  fill.style.width = `${Math.max(1, part * 100)}%`;
  return html(
    "div",
    { class: "bar" },
    fill,
    html("span", { class: "bar-name" }, name),
    html("span", { class: "bar-value" }, value),
  );
}

export function section(title: string, ...body: (Element | null)[]): HTMLElement {
  return html("section", {}, html("h3", {}, title), ...body);
}

function factList(facts: [string, string][]): HTMLElement {
  const list = html("dl", { class: "facts" });
  for (const [name, value] of facts)
    if (value) list.append(html("dt", {}, name), html("dd", {}, value));
  return list;
}

/** Numbers about a tensor: all of them if they are few, else statistics and a histogram. */
function summaryView(summary: Summary, tint: "value" | "grad"): HTMLElement {
  const body = html("div", { class: `summary ${tint}` });
  if (isBroken(summary)) {
    const words = [
      summary.nan ? `${formatCount(summary.nan)} NaN` : "",
      summary.inf ? `${formatCount(summary.inf)} infinite` : "",
    ]
      .filter(Boolean)
      .join(", ");
    body.append(html("p", { class: "broken" }, `${words} of ${formatCount(summary.count)}`));
  }
  if (summary.values?.length) {
    const list = html("div", { class: summary.values.length === 1 ? "values single" : "values" });
    for (const value of summary.values) {
      list.append(
        html(
          "span",
          { class: isBad(value) ? "broken" : null },
          formatNumber(value, summary.count === 1 ? 6 : 4),
        ),
      );
    }
    body.append(list);
  }
  if (summary.count > 1) {
    const chart = histogram(summary, tint);
    if (chart) body.append(chart);
    const row = (name: string, value: Num): [string, string] => [name, formatNumber(value)];
    const facts: [string, string][] = [
      row("min", summary.min),
      row("max", summary.max),
      row("mean", summary.mean),
      row("std", summary.std),
      ["elements", formatCount(summary.count)],
    ];
    if (summary.zeros) facts.push(["zeros", formatCount(summary.zeros)]);
    const list = factList(facts);
    list.classList.add("compact");
    body.append(list);
  }
  return body;
}

/** A line of source with the expression marked. */
function codeLine(line: string, expression: string): HTMLElement {
  const code = html("code", {});
  const at = expression ? line.indexOf(expression) : -1;
  if (at < 0) code.append(line);
  else {
    code.append(
      line.slice(0, at),
      html("mark", {}, expression),
      line.slice(at + expression.length),
    );
  }
  return html("pre", { class: "code" }, code);
}

/** The last part of a name, if mathematics can be written with it. */
function plainName(name: string): string {
  const last = name.slice(name.lastIndexOf(".") + 1);
  return /^[\p{L}_][\p{L}\p{N}_]*$/u.test(last) ? last : "";
}
