// Formulas of derivatives as mathematics: "g·other / self²" becomes MathML, which browsers lay out.
import { math } from "./dom";

type Token = { kind: "name" | "number" | "sign" | "end"; text: string };

const SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹⁻ᵀ";
const PLAIN = "0123456789−T";
const SIGNS = ["**", "<=", ">=", "==", "!=", "&&", "||"];
/** Words that join parts of a formula, so they are no names. */
const WORDS = new Set(["if", "else", "and", "or"]);
const GREEK: Record<string, string> = {
  alpha: "α",
  beta: "β",
  gamma: "γ",
  delta: "δ",
  epsilon: "ε",
  eps: "ε",
  lambda: "λ",
  lambd: "λ",
  mu: "μ",
  pi: "π",
  rho: "ρ",
  sigma: "σ",
  theta: "θ",
};

/** What the names of a formula are called by the user. */
export type Names = Record<string, string>;

class Unreadable extends Error {}

function tokens(source: string): Token[] {
  const found: Token[] = [];
  const pattern =
    /\s*(?:([\p{L}_∂][\p{L}\p{M}\p{N}_]*)|(\d+(?:\.\d*)?(?:e[-+]?\d+)?|\.\d+)|([⁰¹²³⁴⁵⁶⁷⁸⁹⁻ᵀ]+)|(\*\*|<=|>=|==|!=|&&|\|\||\S))/uy;
  while (pattern.lastIndex < source.trimEnd().length) {
    const match = pattern.exec(source);
    if (!match) throw new Unreadable();
    const [, name, number, power, sign] = match;
    if (name) {
      // A letter class also holds ᵀ: "selfᵀ" is a name and a power.
      const at = [...name].findIndex((letter) => SUPERSCRIPTS.includes(letter));
      if (at > 0) {
        const letters = [...name];
        found.push({ kind: "name", text: letters.slice(0, at).join("") });
        found.push({ kind: "sign", text: letters.slice(at).join("") });
      } else found.push({ kind: "name", text: name });
    } else if (number) found.push({ kind: "number", text: number });
    else if (power) found.push({ kind: "sign", text: power });
    else found.push({ kind: "sign", text: sign! });
  }
  found.push({ kind: "end", text: "" });
  return found;
}

/** A recursive-descent reader of one formula; every method returns the element it has read. */
class Reader {
  private at = 0;
  constructor(private readonly list: Token[]) {}

  /** Formulas separated by commas, and a few words after the last: "… at target". */
  all(): Element {
    const row = [this.choice()];
    while (this.take(",")) row.push(math("mo", { class: "comma" }, ","), this.choice());
    const rest: string[] = [];
    while (this.peek.kind === "name") rest.push(this.name());
    if (this.peek.kind !== "end") throw new Unreadable();
    if (rest.length) row.push(math("mtext", {}, `\u00a0${rest.join(" ")}`));
    return row.length > 1 ? math("mrow", {}, ...row) : row[0]!;
  }

  /** "a if condition else b" as a brace with a line for each case. */
  private choice(): Element {
    const first = this.comparison();
    if (!this.word("if")) return first;
    const rows: [Element, Element | null][] = [[first, this.comparison()]];
    for (;;) {
      if (!this.word("else")) throw new Unreadable();
      const value = this.comparison();
      if (!this.word("if")) return braced([...rows, [value, null]]);
      rows.push([value, this.comparison()]);
    }
  }

  private word(word: string): boolean {
    if (this.peek.kind !== "name" || this.peek.text !== word) return false;
    this.at++;
    return true;
  }

  private get peek(): Token {
    return this.list[this.at]!;
  }

  private take(...signs: string[]): string | null {
    const token = this.peek;
    if (token.kind !== "sign" || !signs.includes(token.text)) return null;
    this.at++;
    return token.text;
  }

  private expect(sign: string): void {
    if (!this.take(sign)) throw new Unreadable();
  }

  private comparison(): Element {
    const left = this.sum();
    const shown: Record<string, string> = {
      "<=": "≤",
      ">=": "≥",
      "==": "=",
      "!=": "≠",
      "&&": "∧",
      "||": "∨",
      "&": "∧",
    };
    const row = [left];
    for (;;) {
      const joined = this.word("and") ? "and" : this.word("or") ? "or" : null;
      if (joined) {
        row.push(math("mtext", {}, `\u00a0${joined}\u00a0`), this.sum());
        continue;
      }
      const sign = this.take("<", ">", "=", "≤", "≥", "≠", "&", ...SIGNS.slice(1));
      if (!sign) return row.length > 1 ? math("mrow", {}, ...row) : left;
      row.push(operator(shown[sign] ?? sign), this.sum());
    }
  }

  private sum(): Element {
    const row = [this.product()];
    for (;;) {
      const sign = this.take("+", "-", "−");
      if (!sign) return row.length > 1 ? math("mrow", {}, ...row) : row[0]!;
      row.push(operator(sign === "-" ? "−" : sign), this.product());
    }
  }

  private product(): Element {
    let left = this.unary();
    for (;;) {
      const sign = this.take("*", "·", "×", "/", "÷", "@", "⊙");
      if (!sign) return left;
      const right = this.unary();
      if (sign === "/" || sign === "÷") left = math("mfrac", {}, bare(left), bare(right));
      else {
        // Matrices stand side by side.
        const shown = sign === "*" ? "·" : sign;
        const between = sign === "@" ? math("mspace", { width: "0.22em" }) : operator(shown);
        left = math("mrow", {}, left, between, right);
      }
    }
  }

  private unary(): Element {
    if (this.take("√")) return math("msqrt", {}, bare(this.postfix()));
    if (this.take("Σ", "∑")) return this.total();
    const sign = this.take("-", "−", "+", "!", "~");
    if (!sign) return this.power();
    const shown = sign === "-" ? "−" : sign === "!" || sign === "~" ? "¬" : sign;
    return math("mrow", {}, operator(shown, "prefix"), this.unary());
  }

  /** "Σ g": everything up to the next sum is summed. */
  private total(): Element {
    return math("mrow", {}, operator("∑", "prefix"), this.product());
  }

  private power(): Element {
    let base = this.postfix();
    for (;;) {
      const token = this.peek;
      if (token.kind === "sign" && [...token.text].every((c) => SUPERSCRIPTS.includes(c))) {
        this.at++;
        const plain = [...token.text].map((c) => PLAIN[SUPERSCRIPTS.indexOf(c)]!).join("");
        base = math("msup", {}, base, plain === "T" ? upright("T") : math("mn", {}, plain));
      } else if (this.take("**", "^")) {
        base = math("msup", {}, base, bare(this.unary()));
      } else return base;
    }
  }

  private postfix(): Element {
    let result = this.atom();
    while (this.take("[")) {
      const index = this.choice();
      this.expect("]");
      result = math("msub", {}, result, index);
    }
    while (this.take(".")) {
      const name = this.name();
      if (name === "T" || name === "mT" || name === "H") {
        result = math("msup", {}, result, upright(name.slice(-1)));
      } else if (this.peek.text === "(") {
        result = math("mrow", {}, upright(name), this.call(result));
      } else result = math("mrow", {}, result, operator("."), upright(name));
    }
    return result;
  }

  private name(): string {
    const token = this.peek;
    if (token.kind !== "name") throw new Unreadable();
    this.at++;
    return token.text;
  }

  private atom(): Element {
    const token = this.peek;
    if (token.kind === "number") {
      this.at++;
      const number = math("mn", {}, shortNumber(token.text));
      // "2π" is a product; "½" is one sign.
      return this.peek.text === "π" ? math("mrow", {}, number, variable(this.name())) : number;
    }
    if (this.take("½")) return math("mfrac", {}, math("mn", {}, "1"), math("mn", {}, "2"));
    if (this.take("(")) {
      const inner = this.choice();
      this.expect(")");
      return math("mrow", { class: "parens" }, operator("("), inner, operator(")"));
    }
    if (this.take("|")) {
      const inner = this.sum();
      this.expect("|");
      return math("mrow", {}, operator("|", "prefix"), inner, operator("|", "postfix"));
    }
    const name = this.name();
    if (WORDS.has(name)) throw new Unreadable();
    if ((name === "Σ" || name === "∑") && this.peek.text !== "(") return this.total();
    if (
      (name === "ln" || name === "log") &&
      this.peek.kind !== "sign" &&
      this.peek.kind !== "end"
    ) {
      return math("mrow", {}, upright(name), math("mspace", { width: "0.16em" }), this.atom());
    }
    if (this.peek.text !== "(") return variable(name);
    if (name === "where") return this.cases();
    if (name === "sqrt" || name === "√") {
      this.expect("(");
      const inner = this.comparison();
      this.expect(")");
      return math("msqrt", {}, inner);
    }
    if (name === "abs") {
      this.expect("(");
      const inner = this.comparison();
      this.expect(")");
      return math("mrow", {}, operator("|", "prefix"), inner, operator("|", "postfix"));
    }
    return math("mrow", {}, upright(name), operator("\u2061"), this.call(null));
  }

  /** Arguments in parentheses; `first` is the object of a method call. */
  private call(first: Element | null): Element {
    this.expect("(");
    const row: Element[] = [operator("(")];
    if (first) row.push(first);
    while (!this.take(")")) {
      if (row.length > 1) row.push(operator(","));
      row.push(this.argument());
      if (this.peek.text !== ")") this.expect(",");
    }
    row.push(operator(")"));
    return math("mrow", {}, ...row);
  }

  private argument(): Element {
    if (this.take("[")) {
      const row: Element[] = [operator("[")];
      while (!this.take("]")) {
        if (row.length > 1) row.push(operator(","));
        row.push(this.comparison());
        if (this.peek.text !== "]") this.expect(",");
      }
      row.push(operator("]"));
      return math("mrow", {}, ...row);
    }
    return this.comparison();
  }

  /** where(condition, a, b) as a brace with two lines. */
  private cases(): Element {
    this.expect("(");
    const condition = this.comparison();
    this.expect(",");
    const then = this.comparison();
    this.expect(",");
    const otherwise = this.comparison();
    this.expect(")");
    return braced([
      [then, condition],
      [otherwise, null],
    ]);
  }
}

/** A line for each value with its condition; the last one has none. */
function braced(rows: [Element, Element | null][]): Element {
  const table = math("mtable", { class: "cases" });
  for (const [value, condition] of rows) {
    const words = condition
      ? math("mrow", {}, math("mtext", {}, "if\u00a0"), condition)
      : math("mtext", {}, "otherwise");
    table.append(
      math("mtr", {}, math("mtd", { class: "left" }, value), math("mtd", { class: "left" }, words)),
    );
  }
  // The brace is a border: without a mathematical font, a sign would not grow with the lines.
  return table;
}

/** Constants in at most six digits: a person reads no more. */
function shortNumber(text: string): string {
  return text.length > 8 && !text.includes("e")
    ? String(Number(Number(text).toPrecision(6)))
    : text;
}

function operator(sign: string, form?: string): Element {
  return math("mo", { form }, sign);
}

function upright(text: string): Element {
  return math("mi", { mathvariant: "normal" }, text);
}

/** Names of several letters stand upright-italic as words; "w_1" and "w1" get a subscript. */
function variable(name: string): Element {
  const parts = /^([\p{L}∂]+)_?(\d+)$/u.exec(name);
  if (parts) return math("msub", {}, letter(parts[1]!), math("mn", {}, parts[2]!));
  return letter(name);
}

function letter(name: string): Element {
  return math(
    "mi",
    { class: name.length > 1 && !GREEK[name] ? "word" : null },
    GREEK[name] ?? name,
  );
}

/** Parentheses around a whole numerator, denominator or exponent say nothing. */
function bare(element: Element): Element {
  if (element.getAttribute("class") !== "parens") return element;
  return element.children[1]!;
}

/** ∂L/∂name */
export function partial(of: string, by: string): Element {
  const d = (name: string): Element => math("mrow", {}, operator("∂", "prefix"), variable(name));
  return math("mfrac", {}, d(of), d(by));
}

/** `left` = formula, as one block; a formula that cannot be read stays text. */
export function equation(left: Element, formula: string, names: Names = {}): Element {
  return math(
    "math",
    { display: "block", "aria-label": formula },
    math("mrow", {}, left, operator("="), expression(formula, names)),
  );
}

function expression(formula: string, names: Names): Element {
  try {
    const list = tokens(formula).map((token, index, all) => {
      const name =
        token.kind === "name" && all[index + 1]?.text !== "(" ? names[token.text] : undefined;
      return name === undefined ? token : { ...token, text: name };
    });
    return new Reader(list).all();
  } catch {
    return math("mtext", {}, formula);
  }
}
