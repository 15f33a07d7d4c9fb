// Loads a module of src/ for a test: bundled, as the page bundles it.
import { build } from "esbuild";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const source = join(dirname(fileURLToPath(import.meta.url)), "../src");

export async function load(name) {
  const { outputFiles } = await build({
    entryPoints: [join(source, `${name}.ts`)],
    bundle: true,
    format: "esm",
    platform: "node",
    write: false,
  });
  const text = Buffer.from(outputFiles[0].contents).toString("base64");
  return import(`data:text/javascript;base64,${text}`);
}

/** A graph of operators, from its edges. */
export function graphData(size, edges, more = {}) {
  const column = (value) => new Array(size).fill(value);
  return {
    format: "chainrule.graph",
    version: 1,
    strings: ["mul", "x", "3×4", "train.py", "weight"],
    nodes: {
      kind: column(0),
      op: column(0),
      symbol: column(-1),
      name: column(-1),
      variable: column(-1),
      shape: column(2),
      dtype: column(-1),
      bytes: column(0),
      file: column(3),
      line: Array.from({ length: size }, (_, node) => node + 1),
      function: column(-1),
      expression: column(-1),
      module: column(-1),
      formula: column([]),
      order: Array.from({ length: size }, (_, node) => size - 1 - node),
      value: column(-1),
      grad: column(-1),
    },
    edges: {
      source: edges.map(([from]) => from),
      target: edges.map(([, to]) => to),
      input: edges.map(() => 0),
      local: edges.map(() => null),
    },
    modules: [],
    sources: { 3: { 2: "y = sigmoid(x)" } },
    folds: {},
    summaries: [],
    roots: [size - 1],
    ...more,
  };
}
