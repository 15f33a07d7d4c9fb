// The data of a page, as the package exports it ("chainrule.graph", version 1).

/** A number that JSON may not be able to write: "nan", "inf" and "-inf" stand for themselves. */
export type Num = number | "nan" | "inf" | "-inf" | null;

/** What is told about the elements of one tensor. */
export interface Summary {
  count: number;
  min: Num;
  max: Num;
  mean: Num;
  std: Num;
  zeros?: number;
  nan?: number;
  inf?: number;
  values?: Num[] | null;
  range?: [Num, Num] | null;
  histogram?: number[] | null;
}

export type FoldName = "module" | "line" | "structure";

export interface FoldData {
  group: number[];
  groups: {
    parent: number;
    label: number;
    kind: "module" | "line" | "repeat" | "part";
    count: number;
    repeats: number;
    detail: number;
  }[];
}

export interface GraphData {
  format: string;
  version: number;
  title?: string;
  strings: string[];
  nodes: {
    kind: number[];
    op: number[];
    symbol: number[];
    name: number[];
    variable: number[];
    shape: number[];
    dtype: number[];
    bytes: number[];
    file: number[];
    line: number[];
    function: number[];
    expression: number[];
    module: number[];
    formula: number[][];
    /** What the formulas call the inputs. */
    operand?: number[][];
    order: number[];
    value: number[];
    grad: number[];
  };
  edges: { source: number[]; target: number[]; input: number[]; local: Num[] };
  modules: { path: number; type: number }[];
  sources: Record<string, Record<string, string>>;
  folds: Partial<Record<FoldName, FoldData>>;
  summaries: Summary[];
  roots: number[];
}

export interface StepData {
  label: string;
  graph: number;
  value: number[];
  grad: number[];
  summaries: Summary[];
  loss: Num;
}

export interface ProfileData {
  unit: string;
  strings: string[];
  spans: {
    name: number[];
    start: number[];
    duration: number[];
    depth: number[];
    thread: number[];
    kind: number[];
    file: number[];
    line: number[];
  };
}

export interface Payload {
  graphs: GraphData[];
  steps: StepData[];
  profile: ProfileData | null;
}

/** Reads the page's data from its inert script element. */
export function readPayload(): Payload {
  const element = document.getElementById("chainrule-data");
  if (!element) throw new Error("this page holds no graph: its data element is missing");
  const data = JSON.parse(element.textContent ?? "null") as Partial<Payload> | null;
  element.remove();
  const payload: Payload = {
    graphs: data?.graphs ?? [],
    steps: data?.steps ?? [],
    profile: data?.profile ?? null,
  };
  for (const graph of payload.graphs) {
    if (graph.format !== "chainrule.graph" || graph.version !== 1) {
      throw new Error(
        `this page reads "chainrule.graph" version 1, not "${graph.format}" version ${graph.version}`,
      );
    }
  }
  return payload;
}
