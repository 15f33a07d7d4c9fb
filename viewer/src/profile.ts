// Spans of a profile in lanes: one lane for each thread and depth, sorted by time.
import { basename } from "./graph";
import type { ProfileData } from "./payload";

export const KINDS = ["forward operator", "backward node", "range", "module"] as const;

export interface Lane {
  thread: number;
  depth: number;
  /** Spans by start. */
  spans: Int32Array;
  /** Row in the drawing; threads are set apart by a row. */
  row: number;
}

export interface Total {
  name: string;
  detail: string;
  count: number;
  /** Time spent inside, and inside but not in a span below. */
  total: number;
  own: number;
  spans: number[];
}

export class Profile {
  readonly size: number;
  readonly start: Float64Array;
  readonly duration: Float64Array;
  readonly own: Float64Array;
  readonly lanes: Lane[] = [];
  readonly begin: number;
  readonly end: number;
  readonly rows: number;
  readonly threads: number[];

  constructor(readonly data: ProfileData) {
    const { spans } = data;
    this.size = spans.name.length;
    this.start = Float64Array.from(spans.start);
    this.duration = Float64Array.from(spans.duration);
    let begin = Infinity;
    let end = -Infinity;
    const byLane = new Map<string, number[]>();
    for (let span = 0; span < this.size; span++) {
      begin = Math.min(begin, this.start[span]!);
      end = Math.max(end, this.start[span]! + this.duration[span]!);
      const key = `${spans.thread[span]!}/${spans.depth[span]!}`;
      const lane = byLane.get(key);
      if (lane) lane.push(span);
      else byLane.set(key, [span]);
    }
    this.begin = this.size ? begin : 0;
    this.end = this.size ? end : 1;
    for (const [key, list] of byLane) {
      const [thread, depth] = key.split("/").map(Number) as [number, number];
      list.sort((a, b) => this.start[a]! - this.start[b]!);
      this.lanes.push({ thread, depth, spans: Int32Array.from(list), row: 0 });
    }
    this.lanes.sort((a, b) => a.thread - b.thread || a.depth - b.depth);
    this.threads = [...new Set(this.lanes.map((lane) => lane.thread))];
    let row = 0;
    let thread: number | null = null;
    for (const lane of this.lanes) {
      if (lane.thread !== thread && this.threads.length > 1) row += 1;
      thread = lane.thread;
      lane.row = row++;
    }
    this.rows = row;
    this.own = this.ownTimes();
  }

  name = (span: number): string => this.data.strings[this.data.spans.name[span]!] ?? "";
  kind = (span: number): number => this.data.spans.kind[span] ?? 0;

  location(span: number): string {
    const line = this.data.spans.line[span] ?? 0;
    const file = this.data.strings[this.data.spans.file[span] ?? -1] ?? "";
    return line > 0 ? `${basename(file)}:${line}` : "";
  }

  laneOf(span: number): Lane | undefined {
    const { thread, depth } = this.data.spans;
    return this.lanes.find((lane) => lane.thread === thread[span] && lane.depth === depth[span]);
  }

  /** The first position in the lane whose span ends after `time`. */
  firstAfter(lane: Lane, time: number): number {
    let low = 0;
    let high = lane.spans.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const span = lane.spans[middle]!;
      if (this.start[span]! + this.duration[span]! <= time) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The span around this one, one lane up; null at the top. */
  around(span: number): number | null {
    const { thread, depth } = this.data.spans;
    const lane = this.lanes.find(
      (one) => one.thread === thread[span] && one.depth === depth[span]! - 1,
    );
    if (!lane) return null;
    const found = lane.spans[this.firstAfter(lane, this.start[span]!)];
    return found !== undefined && this.start[found]! <= this.start[span]! ? found : null;
  }

  /** The first span inside this one, one lane down. */
  inside(span: number): number | null {
    const { thread, depth } = this.data.spans;
    const lane = this.lanes.find(
      (one) => one.thread === thread[span] && one.depth === depth[span]! + 1,
    );
    if (!lane) return null;
    const found = lane.spans[this.firstAfter(lane, this.start[span]!)];
    return found !== undefined && this.start[found]! < this.start[span]! + this.duration[span]!
      ? found
      : null;
  }

  totals(nameOf: (span: number) => [string, string]): Total[] {
    const totals = new Map<string, Total>();
    for (let span = 0; span < this.size; span++) {
      const [name, detail] = nameOf(span);
      let total = totals.get(name);
      if (!total)
        totals.set(name, (total = { name, detail, count: 0, total: 0, own: 0, spans: [] }));
      total.count++;
      total.total += this.duration[span]!;
      total.own += this.own[span]!;
      total.spans.push(span);
    }
    return [...totals.values()].sort((a, b) => b.own - a.own);
  }

  find(query: string): Uint8Array | null {
    const words = query.toLowerCase().trim();
    if (!words) return null;
    const inText = this.data.strings.map((text) => text.toLowerCase().includes(words));
    const hits = new Uint8Array(this.size);
    for (let span = 0; span < this.size; span++) {
      if (inText[this.data.spans.name[span]!] || this.location(span).toLowerCase().includes(words))
        hits[span] = 1;
    }
    return hits;
  }

  private ownTimes(): Float64Array {
    const own = this.duration.slice();
    for (let span = 0; span < this.size; span++) {
      const around = this.data.spans.depth[span]! > 0 ? this.around(span) : null;
      if (around !== null) own[around]! -= this.duration[span]!;
    }
    return own.map((time) => Math.max(0, time));
  }
}
