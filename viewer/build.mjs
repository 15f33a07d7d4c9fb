// Bundles src/ into chainrule/viewer/static/: page.js and page.css, which every saved page contains.
// The licences of the bundled packages stand at the head of page.js, so each copy carries them.
import { build } from "esbuild";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const out = join(here, process.argv[2] ?? "../chainrule/viewer/static");

/** The text of the licences of every package that the bundle contains. */
function licences(inputs) {
  const packages = new Set();
  for (const input of inputs) {
    const found = /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input);
    if (found) packages.add(found[1]);
  }
  // A package may have been published with its own dependencies inside.
  for (const name of packages) {
    const file = join(here, "node_modules", name, "package.json");
    const { dependencies = {} } = JSON.parse(readFileSync(file, "utf8"));
    for (const inner of Object.keys(dependencies)) packages.add(inner);
  }
  return [...packages].sort().map((name) => {
    const folder = join(here, "node_modules", name);
    const { version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
    const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
    if (!file) throw new Error(`${name} has no licence file: the page may not contain it`);
    const text = readFileSync(join(folder, file), "utf8").replaceAll("*/", "* /").trim();
    return `${name} ${version} (${license})\n${text}`;
  });
}

if (!existsSync(join(here, "node_modules"))) {
  console.error("The packages are missing: run `npm ci` in viewer/ first.");
  process.exit(1);
}
const options = {
  absWorkingDir: here,
  entryPoints: { page: "src/main.ts" },
  bundle: true,
  minify: !process.env.READABLE,
  format: "iife",
  target: ["es2022"],
  charset: "utf8",
  legalComments: "none",
  outdir: out,
  metafile: true,
  logLevel: "warning",
};
const { metafile } = await build({ ...options, write: false });
const banner = `/*!\n${licences(Object.keys(metafile.inputs)).join("\n\n")}\n*/`;
const result = await build({ ...options, banner: { js: banner } });
for (const [file, { bytes }] of Object.entries(result.metafile.outputs)) {
  console.log(`${file}  ${(bytes / 1024).toFixed(1)} KiB`);
}
