// The flame view: spans over time on a canvas, zoomed along the time only.
import { select } from "d3-selection";
import "d3-transition";
import { zoom, zoomIdentity, type ZoomBehavior, type ZoomTransform } from "d3-zoom";
import { announce, byId, calm, html } from "./dom";
import { bar, section } from "./details";
import { formatCount, formatDuration } from "./format";
import { KINDS, Profile, type Total } from "./profile";
import { fitText, textWidth } from "./textwidth";

const ROW = 22;
const TOP = 30;

export class Flame {
  private readonly profile: Profile;
  private readonly canvas = byId<HTMLCanvasElement>("flame");
  private readonly behaviour: ZoomBehavior<HTMLCanvasElement, unknown>;
  private transform: ZoomTransform = zoomIdentity;
  private pending = 0;
  private selected: number | null = null;
  private hovered: number | null = null;
  private hits: Uint8Array | null = null;
  private hitList: number[] = [];
  private hitAt = -1;

  constructor(
    data: ConstructorParameters<typeof Profile>[0],
    private readonly panel: HTMLElement,
  ) {
    this.profile = new Profile(data);
    this.behaviour = zoom<HTMLCanvasElement, unknown>()
      .scaleExtent([1, 1e6])
      .filter((event: MouseEvent) => !event.button && event.type !== "dblclick")
      .on("zoom", (event: { transform: ZoomTransform }) => {
        this.transform = event.transform;
        this.later();
      });
    select(this.canvas).call(this.behaviour);
    new ResizeObserver(() => this.resize()).observe(this.canvas.parentElement!);
    document.addEventListener("themechange", () => this.later());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.later());
    this.canvas.addEventListener("click", (event) => this.select(this.at(event)));
    this.canvas.addEventListener("dblclick", (event) => {
      const span = this.at(event);
      if (span === null) this.reset();
      else this.zoomTo(span);
    });
    this.canvas.addEventListener("pointermove", (event) => this.hover(event));
    this.canvas.addEventListener("pointerleave", () => this.hover(null));
    this.canvas.addEventListener("keydown", (event) => this.key(event));
    const search = byId<HTMLInputElement>("flame-search");
    search.addEventListener("input", () => this.search(search.value));
    search.addEventListener("keydown", (event) => {
      if (event.key === "Enter") this.next();
      if (event.key === "Escape") {
        search.value = "";
        this.search("");
        event.stopPropagation();
      }
    });
    this.showPanel();
  }

  resize(): void {
    const box = this.canvas.parentElement!;
    const w = box.clientWidth;
    if (!w) return;
    const h = Math.max(box.clientHeight, TOP + (this.profile.rows + 1) * ROW);
    const ratio = devicePixelRatio || 1;
    this.canvas.width = w * ratio;
    this.canvas.height = h * ratio;
    this.canvas.style.width = `${w}px`;
    this.canvas.style.height = `${h}px`;
    this.behaviour
      .translateExtent([
        [0, 0],
        [w, h],
      ])
      .extent([
        [0, 0],
        [w, h],
      ]);
    this.later();
  }

  reset(): void {
    this.glide(zoomIdentity);
  }

  private glide(transform: ZoomTransform): void {
    const selection = select(this.canvas);
    if (calm()) this.behaviour.transform(selection, transform);
    else this.behaviour.transform(selection.transition().duration(300), transform);
  }

  private get width(): number {
    return this.canvas.clientWidth || 1;
  }

  private xOf(time: number): number {
    const { begin, end } = this.profile;
    return this.transform.applyX(((time - begin) / (end - begin || 1)) * this.width);
  }

  private timeOf(x: number): number {
    const { begin, end } = this.profile;
    return begin + (this.transform.invertX(x) / this.width) * (end - begin);
  }

  private zoomTo(span: number): void {
    const { start, duration, begin, end } = this.profile;
    const part = Math.max(1e-6, (duration[span]! / (end - begin || 1)) * 1.1);
    const k = Math.min(1e6, 1 / part);
    const left = ((start[span]! - begin) / (end - begin || 1)) * this.width;
    const room = (duration[span]! / (end - begin || 1)) * this.width * 0.05;
    this.glide(zoomIdentity.scale(k).translate(-(left - room), 0));
  }

  private at(event: MouseEvent): number | null {
    const row = Math.floor((event.offsetY - TOP) / ROW);
    const lane = this.profile.lanes.find((one) => one.row === row);
    if (!lane) return null;
    const time = this.timeOf(event.offsetX);
    const slack = this.timeOf(event.offsetX + 2) - time;
    const span = lane.spans[this.profile.firstAfter(lane, time - slack)];
    return span !== undefined && this.profile.start[span]! <= time + slack ? span : null;
  }

  private hover(event: PointerEvent | null): void {
    const span = event ? this.at(event) : null;
    const tooltip = byId("tooltip");
    if (span !== this.hovered) {
      this.hovered = span;
      this.canvas.style.cursor = span === null ? "" : "pointer";
      this.later();
    }
    tooltip.hidden = span === null;
    if (span === null || !event) return;
    const { profile } = this;
    tooltip.replaceChildren(
      html("strong", {}, profile.name(span)),
      html(
        "span",
        {},
        `${formatDuration(profile.duration[span]!)} · own ${formatDuration(profile.own[span]!)}`,
      ),
      html(
        "span",
        {},
        [KINDS[profile.kind(span)] ?? "", profile.location(span)].filter(Boolean).join(" · "),
      ),
    );
    const x = Math.min(event.clientX + 14, innerWidth - tooltip.offsetWidth - 8);
    const y = Math.min(event.clientY + 18, innerHeight - tooltip.offsetHeight - 8);
    tooltip.style.transform = `translate(${x}px, ${y}px)`;
  }

  private key(event: KeyboardEvent): void {
    const { profile } = this;
    const steps: Record<string, () => number | null> = {
      ArrowUp: () => (this.selected === null ? null : profile.around(this.selected)),
      ArrowDown: () => (this.selected === null ? null : profile.inside(this.selected)),
      ArrowLeft: () => this.sibling(-1),
      ArrowRight: () => this.sibling(1),
    };
    const step = steps[event.key];
    if (step) {
      const first = profile.lanes[0]?.spans[0] ?? null;
      const next = this.selected === null ? first : step();
      if (next !== null) this.select(next);
    } else if (event.key === "Enter" && this.selected !== null) this.zoomTo(this.selected);
    else if (event.key === "f" || event.key === "Escape") {
      if (event.key === "Escape") this.select(null);
      this.reset();
    } else if (event.key === "+" || event.key === "=")
      this.behaviour.scaleBy(select(this.canvas), 1.5);
    else if (event.key === "-") this.behaviour.scaleBy(select(this.canvas), 1 / 1.5);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  private sibling(step: 1 | -1): number | null {
    if (this.selected === null) return null;
    const lane = this.profile.laneOf(this.selected);
    const at = lane?.spans.indexOf(this.selected) ?? -1;
    return lane?.spans[at + step] ?? null;
  }

  private select(span: number | null): void {
    this.selected = span;
    if (span !== null) {
      announce(`${this.profile.name(span)}, ${formatDuration(this.profile.duration[span]!)}`);
      const x = this.xOf(this.profile.start[span]!);
      const right = this.xOf(this.profile.start[span]! + this.profile.duration[span]!);
      if (right < 0 || x > this.width) this.zoomTo(span);
    }
    this.showPanel();
    this.later();
  }

  private search(query: string): void {
    this.hits = this.profile.find(query);
    this.hitList = [];
    this.hits?.forEach((hit, span) => {
      if (hit) this.hitList.push(span);
    });
    this.hitAt = -1;
    byId("flame-count").textContent = this.hits ? `${formatCount(this.hitList.length)} found` : "";
    this.later();
  }

  private next(): void {
    if (!this.hitList.length) return;
    this.hitAt = (this.hitAt + 1) % this.hitList.length;
    this.select(this.hitList[this.hitAt]!);
  }

  private later(): void {
    if (!this.pending) this.pending = requestAnimationFrame(() => this.paint());
  }

  private paint(): void {
    this.pending = 0;
    const context = this.canvas.getContext("2d")!;
    const ratio = devicePixelRatio || 1;
    const w = this.canvas.width / ratio;
    const h = this.canvas.height / ratio;
    const style = getComputedStyle(this.canvas);
    const colour = (name: string): string => style.getPropertyValue(name).trim();
    const fills = [0, 1, 2, 3].map((kind) => colour(`--span-${kind}`));
    const ink = colour("--span-ink");
    const faint = colour("--span-faint");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, w, h);
    context.textBaseline = "middle";
    this.paintTimes(context, w, h, colour("--grid"), colour("--muted"));
    const from = this.timeOf(0);
    const to = this.timeOf(w);
    for (const lane of this.profile.lanes) {
      const y = TOP + lane.row * ROW;
      if (lane.depth === 0) {
        context.fillStyle = colour("--muted");
        context.font = `600 11px ${style.fontFamily}`;
        context.fillText(
          this.profile.threads.length > 1 ? `thread ${lane.thread}` : "",
          8,
          y - ROW / 2,
        );
      }
      context.font = `11.5px ${style.fontFamily}`;
      let at = this.profile.firstAfter(lane, from);
      while (at < lane.spans.length) {
        const span = lane.spans[at]!;
        const start = this.profile.start[span]!;
        if (start > to) break;
        const left = Math.max(-4, this.xOf(start));
        const right = Math.min(w + 4, this.xOf(start + this.profile.duration[span]!));
        const width = Math.max(0.7, right - left - (right - left > 3 ? 1 : 0));
        // Spans closer together than half a pixel cannot be told apart: go on behind them.
        const next = this.timeOf(left + width + 0.5);
        at = right - left < 1 ? Math.max(at + 1, this.profile.firstAfter(lane, next)) : at + 1;
        const dim = this.hits && !this.hits[span];
        context.fillStyle = dim ? faint : fills[this.profile.kind(span)]!;
        if (width < 3) {
          context.fillRect(left, y, width, ROW - 2);
          continue;
        }
        context.beginPath();
        context.roundRect(left, y, width, ROW - 2, Math.min(3, width / 2));
        context.fill();
        if (span === this.selected || span === this.hovered) {
          context.strokeStyle = colour("--focus");
          context.lineWidth = span === this.selected ? 2 : 1;
          context.stroke();
        }
        const room = right - Math.max(0, left) - 10;
        if (room > 24) {
          context.fillStyle = dim ? colour("--muted") : ink;
          context.fillText(
            fitText(this.profile.name(span), "small", room * 0.96, 1),
            Math.max(0, left) + 6,
            y + ROW / 2 - 0.5,
          );
        }
      }
    }
  }

  private paintTimes(
    context: CanvasRenderingContext2D,
    w: number,
    h: number,
    grid: string,
    ink: string,
  ): void {
    const from = this.timeOf(0);
    const to = this.timeOf(w);
    const rough = (to - from) / Math.max(2, w / 120);
    const power = 10 ** Math.floor(Math.log10(rough));
    const step =
      [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough) ?? rough;
    context.font = '11px ui-monospace, "DejaVu Sans Mono", monospace';
    const { begin } = this.profile;
    for (let time = Math.ceil((from - begin) / step) * step; time <= to - begin; time += step) {
      const x = Math.round(this.xOf(time + begin)) + 0.5;
      context.strokeStyle = grid;
      context.lineWidth = 1;
      context.beginPath();
      context.moveTo(x, 22);
      context.lineTo(x, h);
      context.stroke();
      context.fillStyle = ink;
      const words = time === 0 ? "0" : formatDuration(time);
      if (x + textWidth(words, "small") < w) context.fillText(words, x + 4, 12);
    }
  }

  private showPanel(): void {
    const { profile } = this;
    const sections: HTMLElement[] = [];
    if (this.selected !== null) {
      const span = this.selected;
      const list = html("dl", { class: "facts" });
      const fact = (name: string, value: string): void => {
        if (value) list.append(html("dt", {}, name), html("dd", {}, value));
      };
      fact("duration", formatDuration(profile.duration[span]!));
      fact("own time", formatDuration(profile.own[span]!));
      fact("start", formatDuration(profile.start[span]! - profile.begin));
      fact("line", profile.location(span));
      fact("thread", profile.threads.length > 1 ? String(profile.data.spans.thread[span]) : "");
      sections.push(
        html(
          "header",
          {},
          html("p", { class: "sort" }, KINDS[profile.kind(span)] ?? ""),
          html("h2", {}, profile.name(span)),
        ),
        list,
      );
    } else {
      sections.push(
        html(
          "header",
          {},
          html("h2", {}, "Profile"),
          html(
            "p",
            { class: "hint" },
            `${formatCount(profile.size)} spans over ${formatDuration(profile.end - profile.begin)}. Select one for its numbers; double click zooms to it.`,
          ),
        ),
      );
    }
    sections.push(
      this.table(
        "Own time by name",
        profile.totals((span) => [profile.name(span), KINDS[profile.kind(span)] ?? ""]),
      ),
      this.table(
        "Own time by source line",
        profile.totals((span) => [profile.location(span) || "(unknown)", ""]),
      ),
    );
    this.panel.replaceChildren(...sections);
  }

  private table(title: string, totals: Total[]): HTMLElement {
    const body = html("div", { class: "bars" });
    const most = Math.max(1e-9, totals[0]?.own ?? 0);
    for (const total of totals.slice(0, 16)) {
      const row = html(
        "button",
        {
          type: "button",
          class: "row",
          title: `${total.name}: ${formatDuration(total.total)} in all`,
        },
        bar(
          total.name,
          `${formatDuration(total.own)}   ${formatCount(total.count)}×`,
          total.own / most,
        ),
      );
      row.addEventListener("click", () => {
        this.hits = new Uint8Array(this.profile.size);
        for (const span of total.spans) this.hits[span] = 1;
        this.hitList = total.spans;
        this.hitAt = -1;
        this.later();
      });
      body.append(row);
    }
    return section(title, body);
  }
}
