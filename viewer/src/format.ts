// Numbers, bytes and names as people read them.
import type { Num } from "./payload";

/** A number in at most `digits` significant digits, with a real minus sign. */
export function formatNumber(value: Num | undefined, digits = 4): string {
  if (value === null || value === undefined) return "–";
  if (value === "nan") return "nan";
  if (value === "inf") return "∞";
  if (value === "-inf") return "−∞";
  if (value === 0) return "0";
  const size = Math.abs(value);
  let text: string;
  if (size >= 1e6 || size < 1e-4) {
    const [mantissa, exponent] = value.toExponential(Math.max(0, digits - 2)).split("e");
    const power = Number(exponent);
    text = `${trim(mantissa!)}e${power < 0 ? "-" : ""}${Math.abs(power)}`;
  } else {
    text = trim(value.toPrecision(digits));
    if (text.includes("e")) text = String(Number(text));
  }
  return text.replaceAll("-", "−");
}

function trim(text: string): string {
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

export function formatCount(value: number): string {
  return value.toLocaleString("en");
}

export function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  const units = ["KiB", "MiB", "GiB", "TiB"];
  let unit = -1;
  do {
    bytes /= 1024;
    unit++;
  } while (bytes >= 1024 && unit < units.length - 1);
  return `${bytes.toFixed(bytes < 10 ? 1 : 0)} ${units[unit]}`;
}

export function formatDuration(microseconds: number): string {
  if (microseconds < 1000) return `${trim(microseconds.toPrecision(3))} µs`;
  if (microseconds < 1e6) return `${trim((microseconds / 1000).toPrecision(3))} ms`;
  return `${trim((microseconds / 1e6).toPrecision(3))} s`;
}

export function plural(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? "" : "s"}`;
}

export function isBad(value: Num | undefined): boolean {
  return typeof value === "string";
}

/** The number as arithmetic sees it. */
export function numeric(value: Num | undefined): number {
  if (value === "inf") return Infinity;
  if (value === "-inf") return -Infinity;
  return typeof value === "number" ? value : NaN;
}
