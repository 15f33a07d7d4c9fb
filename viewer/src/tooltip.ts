// A short note at the pointer.
import { byId, html } from "./dom";
import { formatBytes, formatCount, formatNumber, plural } from "./format";
import { LEAF } from "./graph";
import type { LevelEdge } from "./scene";
import type { State } from "./state";

const DELAY = 180;

export class Tooltip {
  private readonly element = byId("tooltip");
  private timer = 0;

  constructor(private readonly state: State) {}

  item(item: number, event: PointerEvent): void {
    this.later(event, () => {
      const { graph, fold } = this.state;
      if (fold.isGroup(item)) {
        const group = fold.group(item);
        const facts = [plural(fold.countOf(item), "node")];
        if (group.repeats > 1) facts.push(`repeated ×${formatCount(group.repeats)}`);
        return [group.label || "(no module)", group.detail, facts.join(" · ")];
      }
      const bytes = graph.bytes[item]!;
      const value = this.state.valueOf(item);
      const gradient = this.state.hasArrived(item) ? this.state.gradientOf(item) : null;
      const one = (summary: typeof value): string =>
        summary
          ? summary.count === 1
            ? formatNumber(summary.values?.[0] ?? summary.mean)
            : `${formatNumber(summary.min, 3)} … ${formatNumber(summary.max, 3)}`
          : "";
      return [
        graph.title(item),
        [
          graph.kind[item] === LEAF ? "variable" : graph.operator(item),
          graph.shape(item),
          graph.dtype(item),
        ]
          .filter(Boolean)
          .join(" · "),
        value ? `value ${one(value)}` : "",
        gradient ? `gradient ${one(gradient)}` : "",
        bytes ? `saves ${formatBytes(bytes)}` : "",
        [graph.modulePath(item), graph.location(item)].filter(Boolean).join(" · "),
      ];
    });
  }

  edge(edge: LevelEdge, event: PointerEvent): void {
    this.later(event, () => {
      const { graph } = this.state;
      const first = edge.raw[0]!;
      const ends = (raw: number): string =>
        `${graph.title(graph.source[raw]!)} → ${graph.title(graph.target[raw]!)}`;
      if (edge.raw.length > 1) {
        return [
          plural(edge.raw.length, "edge"),
          ends(first),
          edge.raw.length > 2 ? "…" : "",
          edge.raw.length > 1 ? ends(edge.raw[edge.raw.length - 1]!) : "",
        ];
      }
      const local = graph.local(first);
      return [
        ends(first),
        graph.shape(graph.source[first]!),
        local === null ? "" : `local gradient ${formatNumber(local)}`,
      ];
    });
  }

  hide(): void {
    clearTimeout(this.timer);
    this.element.hidden = true;
  }

  private later(event: PointerEvent, lines: () => string[]): void {
    clearTimeout(this.timer);
    const { clientX, clientY } = event;
    this.timer = window.setTimeout(() => {
      const [title, ...rest] = lines();
      this.element.replaceChildren(
        html("strong", {}, title ?? ""),
        ...rest.filter(Boolean).map((line) => html("span", {}, line)),
      );
      this.element.hidden = false;
      const { offsetWidth, offsetHeight } = this.element;
      const x = Math.min(clientX + 14, innerWidth - offsetWidth - 8);
      const y =
        clientY + 18 + offsetHeight > innerHeight ? clientY - offsetHeight - 10 : clientY + 18;
      this.element.style.transform = `translate(${Math.max(8, x)}px, ${Math.max(8, y)}px)`;
    }, DELAY);
  }
}
